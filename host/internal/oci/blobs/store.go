// Package blobs keeps content by its digest.
//
//	DIR/blobs/sha256/HEX      a whole blob, whose digest was checked
//	DIR/partial/sha256-HEX    one that is on its way, locked by who writes it; the next one continues it
//	DIR/partial/import-XXXX   what an import has unpacked so far
package blobs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"

	"banger.dev/host/internal/oci/fault"
)

// Store is a folder with blobs. Several processes may use one at the same time.
type Store struct{ dir string }

// Open returns the store in a folder, which it makes when needed.
func Open(dir string) (*Store, error) {
	s := &Store{dir}
	for _, folder := range []string{s.whole(), s.partial()} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *Store) whole() string { return filepath.Join(s.dir, "blobs", "sha256") }

func (s *Store) partial() string { return filepath.Join(s.dir, "partial") }

func (s *Store) path(digest v1.Hash) string { return filepath.Join(s.whole(), digest.Hex) }

// Has reports whether the store has a whole blob of that size; a negative size stands for any.
func (s *Store) Has(digest v1.Hash, size int64) bool {
	info, err := os.Stat(s.path(digest))
	return err == nil && info.Mode().IsRegular() && (size < 0 || info.Size() == size)
}

// Open opens a blob.
func (s *Store) Open(digest v1.Hash) (*os.File, error) {
	file, err := os.Open(s.path(digest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Final(fault.Damaged, "Cannot read the image: its part %q is missing", digest).
			WithHint("pull or import the image again")
	}
	return file, err
}

// Read returns a blob of at most `most` bytes, whose digest it checks.
func (s *Store) Read(digest v1.Hash, most int64) ([]byte, error) {
	file, err := s.Open(digest)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, most+1))
	if err != nil {
		return nil, err
	}
	if found, _, _ := v1.SHA256(bytes.NewReader(content)); found != digest {
		return nil, Other(digest.String())
	}
	return content, nil
}

// Put stores a blob that is in memory.
func (s *Store) Put(ctx context.Context, digest v1.Hash, content []byte) error {
	part, err := s.Begin(ctx, digest, int64(len(content)))
	if err != nil || part == nil {
		return err
	}
	defer part.Close()
	if err := part.Reset(); err != nil {
		return err
	}
	if _, err := part.Write(content); err != nil {
		return err
	}
	return part.Commit()
}

// Adopt moves a file of the store's partial folder to its place. Its digest must have been checked.
func (s *Store) Adopt(path string, digest v1.Hash) error {
	if err := syncFile(path); err != nil {
		return err
	}
	if err := os.Rename(path, s.path(digest)); err != nil {
		return err
	}
	return syncFile(s.whole())
}

// Staging makes a folder in the store for an import, and returns a function that deletes it.
func (s *Store) Staging() (string, func(), error) {
	dir, err := os.MkdirTemp(s.partial(), "import-")
	return dir, func() { _ = os.RemoveAll(dir) }, err
}

func syncFile(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("sync %s: %w", path, err)
	}
	return nil
}

// CheckSpace fails when the disk has not as many free bytes.
func (s *Store) CheckSpace(bytes int64) error {
	var disk unix.Statfs_t
	if err := unix.Statfs(s.dir, &disk); err != nil {
		return err
	}
	free := int64(disk.Bavail) * disk.Bsize
	if bytes <= free {
		return nil
	}
	return fault.Final(fault.NoSpace, "Cannot store the image: it needs %d bytes, and %d are free", bytes, free).
		WithHint("free disk space and try again")
}

// Dir returns the folder of the store.
func (s *Store) Dir() string { return s.dir }
