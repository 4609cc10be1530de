package workdisk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// seedMark is an extended attribute of the work disk's top folder. A file would not do: a user who deletes
// everything would get the image's files back at the next boot. Only root can see names in "trusted.", and
// archives leave them out.
const seedMark = "trusted.banger.seed"

const (
	seedStarted = "started"
	seedDone    = "done"
)

// lostAndFound is a folder that mke2fs creates in every file system, and e2fsck when it needs one.
const lostAndFound = "lost+found"

// seedAction is what to do with a work disk.
type seedAction int

const (
	// seedNothing: it is already in use.
	seedNothing seedAction = iota
	// seedAdopt: it came with files; keep them and add nothing.
	seedAdopt
	// seedCopy: it is freshly formatted; copy the image's files.
	seedCopy
	// seedAgain: a copy was interrupted before any user could write; start it over.
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

// seed copies the image's own `home` to a freshly formatted work disk, which is mounted at `work`. It does so
// only once for each disk. After a power cut in the middle, the next call starts over.
func seed(work, home string) error {
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
		// The files must be on the disk before the mark is: ext4 may write an attribute before delayed data.
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
