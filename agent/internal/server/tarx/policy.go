// Package tarx unpacks tar streams into a directory, out of which nothing can be written, and packs trees.
//
// Names are bytes. Unpacking never follows a symlink below the directory: each directory on the way is opened
// by its own name from the one above (O_NOFOLLOW), and everything is done relative to the one opened last.
package tarx

import (
	"archive/tar"
	"errors"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// PolicyError is an archive that is damaged, or asks for what is not allowed.
type PolicyError struct{ Message string }

func (e *PolicyError) Error() string { return e.Message }

func refuse(format string, args ...any) error {
	return &PolicyError{fmt.Sprintf(format, args...)}
}

// ConflictError is an entry that what is there already stands in the way of.
type ConflictError struct{ Message string }

func (e *ConflictError) Error() string { return e.Message }

// cleanName returns an entry's name without "." and doubled slashes, "." for the directory itself. It refuses
// names that are absolute or go up.
func cleanName(name string) (string, error) {
	if name == "" {
		return "", refuse("an entry has no name")
	}
	if name[0] == '/' {
		return "", refuse("%q is absolute", name)
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return "", refuse("%q goes up", name)
		}
	}
	return path.Clean(name), nil
}

// checkGlobal accepts a global PAX header that says nothing about entries, as `git archive` writes.
func checkGlobal(header *tar.Header) error {
	for key := range header.PAXRecords {
		if key != "comment" {
			return refuse("global PAX header sets %q", key)
		}
	}
	return nil
}

// hasHoleMap tells a file in one of GNU tar's PAX formats for holes; its old format has a type of its own. A
// few bytes of such an archive can stand for more than any disk holds, and no sender of ours writes them.
func hasHoleMap(header *tar.Header) bool {
	for key := range header.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// explain adds the entry's name to an error, and tells what the archive caused from what the guest did.
func explain(name string, err error) error {
	var policy *PolicyError
	var conflict *ConflictError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &policy), errors.As(err, &conflict):
		return err
	case errors.Is(err, unix.EEXIST), errors.Is(err, unix.EISDIR), errors.Is(err, unix.ENOTEMPTY):
		return &ConflictError{fmt.Sprintf("%q: a directory that is not empty is in its place", name)}
	case errors.Is(err, unix.ENAMETOOLONG), errors.Is(err, unix.EINVAL):
		return refuse("%q: %v", name, err)
	}
	return fmt.Errorf("%q: %w", name, err)
}
