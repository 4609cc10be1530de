package boot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// seedMark is an attribute of the work disk's top folder. It is no file, so a user who deletes everything
// does not get the image's files back at the next boot; names in "trusted." are root's, and archives leave
// them out.
const seedMark = "trusted.banger.seed"

const (
	seedStarted = "started"
	seedDone    = "done"
)

// lostAndFound is made by mke2fs in every file system, and again by e2fsck when it needs one.
const lostAndFound = "lost+found"

// seedAction is what a work disk needs.
type seedAction int

const (
	// seedNothing: it is the user's.
	seedNothing seedAction = iota
	// seedAdopt: it came with files, which are the user's from now on.
	seedAdopt
	// seedCopy: it is freshly formatted.
	seedCopy
	// seedAgain: a copy was cut short, before any user could write.
	seedAgain
)

func chooseSeedAction(mark string, entries []string) seedAction {
	entries = slices.DeleteFunc(slices.Clone(entries), func(name string) bool { return name == lostAndFound })
	switch {
	case mark == seedStarted:
		return seedAgain
	case mark != "":
		return seedNothing
	case len(entries) > 0:
		return seedAdopt
	default:
		return seedCopy
	}
}

// seedWorkDisk fills a freshly formatted work disk, mounted at `work`, with the image's own `home`: once in
// its life. A power cut in the middle is repaired by the next boot.
func seedWorkDisk(work, home string) error {
	mark, err := getMark(work)
	if err != nil {
		return err
	}
	entries, err := readNames(work)
	if err != nil {
		return err
	}
	switch chooseSeedAction(mark, entries) {
	case seedNothing:
		return nil
	case seedAdopt:
		return setMark(work, seedDone)
	case seedCopy, seedAgain:
		for _, name := range entries {
			if err := os.RemoveAll(filepath.Join(work, name)); err != nil {
				return err
			}
		}
		if err := setMark(work, seedStarted); err != nil {
			return err
		}
		if err := copyTree(home, work); err != nil {
			return fmt.Errorf("copy %s: %w", home, err)
		}
		// The mark must not be on the disk before the files are: ext4 writes delayed data later than attributes.
		if err := syncFileSystem(work); err != nil {
			return err
		}
		return setMark(work, seedDone)
	}
	return nil
}

func getMark(dir string) (string, error) {
	value := make([]byte, 64)
	n, err := unix.Lgetxattr(dir, seedMark, value)
	if errors.Is(err, unix.ENODATA) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read %s: %w", seedMark, err)
	}
	return string(value[:n]), nil
}

func setMark(dir, value string) error {
	if err := unix.Lsetxattr(dir, seedMark, []byte(value), 0); err != nil {
		return fmt.Errorf("set %s: %w", seedMark, err)
	}
	return nil
}

func readNames(dir string) ([]string, error) {
	file, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return file.Readdirnames(-1)
}

func syncFileSystem(dir string) error {
	file, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer file.Close()
	return unix.Syncfs(int(file.Fd()))
}
