package blobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"
)

// ErrDigest is the error for a blob whose content has another digest. The partial blob is empty after it.
var ErrDigest = errors.New("the content has another digest")

// Partial is a blob that is on its way. It holds the lock of its file until Close.
type Partial struct {
	store  *Store
	digest v1.Hash
	file   *os.File
	hash   hash.Hash
	// Size is how many bytes there are.
	Size int64
}

const lockEvery = 50 * time.Millisecond

// Begin continues a partial blob, or begins it. It waits for another process that writes the same one. It
// returns nil when the store has the whole blob.
func (s *Store) Begin(ctx context.Context, digest v1.Hash, size int64) (*Partial, error) {
	for {
		if s.Has(digest, size) {
			return nil, nil
		}
		part, err := s.lock(digest)
		if err != nil {
			return nil, err
		}
		if part == nil {
			select {
			case <-time.After(lockEvery):
				continue
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		if s.Has(digest, size) {
			defer part.Close()
			return nil, os.Remove(part.file.Name())
		}
		if err := part.hashContent(size); err != nil {
			part.Close()
			return nil, err
		}
		return part, nil
	}
}

// lock opens and locks a partial blob, or returns nil when that must be tried again.
func (s *Store) lock(digest v1.Hash) (*Partial, error) {
	path := filepath.Join(s.partial(), "sha256-"+digest.Hex)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, file.Close()
	}
	if err == nil {
		// Who had the lock before may have moved the file.
		var isSame bool
		if isSame, err = isAt(file, path); err == nil && !isSame {
			return nil, file.Close()
		}
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &Partial{store: s, digest: digest, file: file, hash: sha256.New()}, nil
}

func isAt(file *os.File, path string) (bool, error) {
	mine, err := file.Stat()
	if err != nil {
		return false, err
	}
	there, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(mine, there), err
}

// hashContent reads what is there already. More than the blob can have is no beginning of it.
func (p *Partial) hashContent(size int64) error {
	var err error
	if p.Size, err = io.Copy(p.hash, p.file); err != nil {
		return err
	}
	if size >= 0 && p.Size > size {
		return p.Reset()
	}
	return nil
}

// Reset deletes what is there.
func (p *Partial) Reset() error {
	p.hash.Reset()
	p.Size = 0
	if err := p.file.Truncate(0); err != nil {
		return err
	}
	_, err := p.file.Seek(0, io.SeekStart)
	return err
}

// Write adds to the end.
func (p *Partial) Write(content []byte) (int, error) {
	n, err := p.file.Write(content)
	p.hash.Write(content[:n])
	p.Size += int64(n)
	return n, err
}

// Commit moves a blob to its place after a check of its digest, and syncs it to the disk.
func (p *Partial) Commit() error {
	if hex.EncodeToString(p.hash.Sum(nil)) != p.digest.Hex {
		return errors.Join(ErrDigest, p.Reset())
	}
	if err := p.file.Sync(); err != nil {
		return err
	}
	if err := os.Rename(p.file.Name(), p.store.path(p.digest)); err != nil {
		return err
	}
	return syncFile(p.store.whole())
}

// Close gives up the lock. What is not committed remains for the next one.
func (p *Partial) Close() { _ = p.file.Close() }
