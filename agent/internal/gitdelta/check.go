package gitdelta

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// check makes sure that the guest has changed nothing of what is replaced. The contents are compared as they
// are: when git converts a file, or has to say how it was changed, the script has it do so.
func (d *delta) check() error {
	for path, before := range d.old {
		if err := d.checkFolder(path); err != nil {
			return err
		}
		if isSame, err := d.isAs(path, before); err != nil || !isSame {
			return notSimple(err)
		}
	}
	for path := range d.new {
		if err := d.checkFolder(path); err != nil {
			return err
		}
		if _, isThere := d.old[path]; isThere {
			continue
		}
		if _, err := os.Lstat(filepath.Join(d.top, path)); !errors.Is(err, fs.ErrNotExist) {
			return notSimple(err)
		}
	}
	for _, path := range d.deleted {
		_, isOld := d.old[path]
		if _, isNew := d.new[path]; isNew || !isOld {
			return ErrNotSimple
		}
	}
	return d.checkIncoming()
}

// notSimple leaves it to the script to say what is in the way.
func notSimple(err error) error {
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotFolder) {
		return ErrNotSimple
	}
	return err
}

var errNotFolder = errors.New("not a folder")

// checkFolder makes sure that the folders above a path are folders, as far as they exist.
func (d *delta) checkFolder(path string) error {
	for folder := filepath.Dir(path); folder != "."; folder = filepath.Dir(folder) {
		found, err := os.Lstat(filepath.Join(d.top, folder))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil || !found.IsDir() {
			return ErrNotSimple
		}
	}
	return nil
}

// isAs reports whether a file has the mode and the content of an entry.
func (d *delta) isAs(path string, want entry) (bool, error) {
	name := filepath.Join(d.top, path)
	found, err := os.Lstat(name)
	if err != nil || !found.Mode().IsRegular() || found.Mode()&0o100 != 0 != (want.mode == modeRun) {
		return false, err
	}
	var sum hash.Hash
	if sum = sha1.New(); len(want.object) == 2*sha256.Size {
		sum = sha256.New()
	}
	file, err := os.Open(name)
	if err != nil {
		return false, err
	}
	defer file.Close()
	fmt.Fprintf(sum, "blob %d\x00", found.Size())
	if length, err := io.Copy(sum, file); err != nil || length != found.Size() {
		return false, err
	}
	return hex.EncodeToString(sum.Sum(nil)) == want.object, nil
}

// checkIncoming makes sure that exactly the new files came, in no more folders than they need.
func (d *delta) checkIncoming() error {
	needed := map[string]bool{".": true}
	for path := range d.new {
		for folder := filepath.Dir(path); folder != "."; folder = filepath.Dir(folder) {
			needed[folder] = true
		}
	}
	files := 0
	err := filepath.WalkDir(d.incoming, func(name string, found fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		path, err := filepath.Rel(d.incoming, name)
		if err != nil {
			return err
		}
		switch {
		case path == ".git":
			return fs.SkipDir
		case found.IsDir() && needed[path]:
			return nil
		case found.Type().IsRegular() && d.new[path] != entry{}:
			files++
			return nil
		}
		return ErrNotSimple
	})
	if errors.Is(err, fs.ErrNotExist) && len(d.new) == 0 {
		return nil
	}
	if err == nil && files != len(d.new) {
		return ErrNotSimple
	}
	return err
}
