package identity

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// replaceFile writes a file beside its place and renames it there, making parents that are missing. A file that something is
// mounted on cannot be renamed over and is written in place.
func replaceFile(path string, content []byte, mode fs.FileMode) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	beside, err := os.CreateTemp(dir, ".banger-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(beside.Name())
		}
	}()
	_, err = beside.Write(content)
	// With the numbers, because fs.FileMode keeps setuid elsewhere.
	err = errors.Join(err, unix.Fchmod(int(beside.Fd()), uint32(mode)), beside.Close())
	if err != nil {
		return err
	}
	err = os.Rename(beside.Name(), path)
	if errors.Is(err, unix.EBUSY) {
		return errors.Join(os.Remove(beside.Name()), os.WriteFile(path, content, mode))
	}
	return err
}
