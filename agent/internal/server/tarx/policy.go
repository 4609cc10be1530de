// Package tarx packs trees, and unpacks tar streams into a directory without ever writing outside it.
//
// Names are bytes. Unpacking never follows a symlink below the directory: it opens each directory on the way
// by its name from the one above (O_NOFOLLOW), and does everything relative to the one opened last.
package tarx

import (
	"archive/tar"
	"errors"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// PolicyError is the error for an archive that is damaged, or contains what is not allowed.
type PolicyError struct{ Message string }

func (e *PolicyError) Error() string { return e.Message }

func refuse(format string, args ...any) error {
	return &PolicyError{fmt.Sprintf(format, args...)}
}

// ConflictError is the error for an entry that cannot replace what is in its place.
type ConflictError struct{ Message string }

func (e *ConflictError) Error() string { return e.Message }

// cleanName returns an entry's name without "." and doubled slashes, or "." for the directory itself. It
// refuses absolute names, and names with "..".
func cleanName(name string) (string, error) {
	if name == "" {
		return "", refuse("an entry has no name")
	}
	if name[0] == '/' {
		return "", refuse("%q is an absolute path", name)
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return "", refuse("%q contains \"..\"", name)
		}
	}
	return path.Clean(name), nil
}

// checkGlobal accepts a global PAX header that has only comments, as `git archive` writes it.
func checkGlobal(header *tar.Header) error {
	for key := range header.PAXRecords {
		if key != "comment" {
			return refuse("global PAX header sets %q", key)
		}
	}
	return nil
}

// hasHoleMap reports whether a file is in one of GNU tar's PAX formats for sparse files; its old format has a
// type of its own. A few bytes of such an archive can expand to more than any disk holds, and none of our
// programs writes them.
func hasHoleMap(header *tar.Header) bool {
	for key := range header.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// explain adds the entry's name to an error. It turns errors of the system that the archive caused into a
// PolicyError or a ConflictError.
func explain(name string, err error) error {
	var policy *PolicyError
	var conflict *ConflictError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &policy), errors.As(err, &conflict):
		return err
	case errors.Is(err, unix.EEXIST), errors.Is(err, unix.EISDIR), errors.Is(err, unix.ENOTEMPTY):
		return &ConflictError{fmt.Sprintf("%q: cannot replace a directory that is not empty", name)}
	case errors.Is(err, unix.ENAMETOOLONG), errors.Is(err, unix.EINVAL):
		return refuse("%q: %v", name, err)
	}
	return fmt.Errorf("%q: %w", name, err)
}
