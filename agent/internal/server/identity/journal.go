package identity

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// nameJournals lets journalctl find the running journal after a change of the machine id. journald keeps the
// journal in a folder that is named after the machine id at its start, so the new id becomes a symlink to
// that folder.
func (s System) nameJournals(old, id string) error {
	for _, journal := range []string{"/run/log/journal/", "/var/log/journal/"} {
		if err := nameJournal(s.Root+journal, old, id); err != nil {
			return err
		}
	}
	return nil
}

func nameJournal(dir, old, id string) error {
	folder := old
	var target [32 + 1]byte
	n, err := unix.Readlink(dir+old, target[:])
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil
	case errors.Is(err, unix.EINVAL):
		// The folder itself.
	case err != nil:
		return &os.PathError{Op: "readlink", Path: dir + old, Err: err}
	default:
		folder = string(target[:n])
	}
	if folder == id {
		return nil
	}
	// An older journal of this machine stays where it is.
	if err := unix.Symlink(folder, dir+id); err != nil && !errors.Is(err, unix.EEXIST) {
		return &os.LinkError{Op: "symlink", Old: folder, New: dir + id, Err: err}
	}
	return nil
}
