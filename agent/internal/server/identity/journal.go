package identity

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// renameJournals lets journalctl find the running journal, which journald keeps in a folder named by the machine's id: by the one
// that it had when journald started. Every name that the folder had stays as a symlink to it, because journald goes on using one.
func (s System) renameJournals(old, id string) error {
	for _, journal := range []string{"/run/log/journal", "/var/log/journal"} {
		if err := renameJournal(s.Root+journal, old, id); err != nil {
			return err
		}
	}
	return nil
}

func renameJournal(dir, old, id string) error {
	from, to := filepath.Join(dir, old), filepath.Join(dir, id)
	if info, err := os.Lstat(from); errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		return nil
	} else if err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	links := []string{from}
	for _, entry := range entries {
		link := filepath.Join(dir, entry.Name())
		if target, err := os.Readlink(link); err == nil && target == old {
			links = append(links, link)
			// One may have the name that the folder gets.
			if err := os.Remove(link); err != nil {
				return err
			}
		}
	}
	// A journal of this machine from another time stays where it is.
	err = unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EEXIST) {
		id = old
	} else if err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	for _, link := range links {
		if filepath.Base(link) == id {
			continue
		}
		if err := os.Symlink(id, link); err != nil {
			return err
		}
	}
	return nil
}
