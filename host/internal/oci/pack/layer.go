package pack

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/gzip"

	"banger.dev/host/internal/ext4"
	"banger.dev/host/internal/oci/blobs"
)

// Request is a file system of which a layer is made.
type Request struct {
	Store *blobs.Store
	Now   *ext4.Image
	// Base is what the file system began as, or nil.
	Base *ext4.Image
	// IsOnBase makes a layer for on top of the base's own layers; without it, the layer has everything.
	IsOnBase bool
	// IsOfBase reports whether a range of Now is as Base has it; nil when that is not known.
	IsOfBase func(at, length int64) bool
	// IsCleaned removes what belongs to one machine, and LeaveOut.
	IsCleaned bool
	LeaveOut  []string
	Limits    Limits
	Progress  Progress
}

// Progress learns how much of a file system was dealt with.
type Progress interface {
	Expect(bytes int64)
	Done(bytes int64)
}

// Layer is a layer that was made; the store has it.
type Layer struct {
	Digest, DiffID v1.Hash
	SizeBytes      int64
	Entries        int
	// LeftOut are the paths that were made what they are in the base, because they belong to one machine.
	LeftOut []string
}

// Make makes a layer and puts it into the store, compressed with gzip, which every tool reads. A failure
// leaves nothing.
func Make(ctx context.Context, r Request) (Layer, error) {
	now, bytes, err := scan(ctx, r.Now, r.Limits)
	if err != nil {
		return Layer{}, err
	}
	base := &file{}
	if r.Base != nil {
		if base, _, err = scan(ctx, r.Base, r.Limits); err != nil {
			return Layer{}, err
		}
	}
	r.Progress.Expect(bytes)
	made := Layer{LeftOut: []string{}}
	if r.IsCleaned {
		if made.LeftOut, err = clean(now, base, r.LeaveOut); err != nil {
			return Layer{}, err
		}
	}
	dir, remove, err := r.Store.Staging()
	if err != nil {
		return Layer{}, err
	}
	defer remove()
	at := filepath.Join(dir, "layer")
	written, err := writeLayer(at, func(out io.Writer) (int, error) {
		archive := newArchive(ctx, out, r.Progress.Done)
		if r.IsOnBase {
			d := &difference{archive, comparer{r.IsOfBase, linksOf(now), linksOf(base)}}
			err = d.folder("", now, base)
		} else {
			err = archive.addAll("", now)
		}
		made.LeftOut = append(made.LeftOut, archive.leftOut...)
		return archive.entries, errors.Join(err, archive.out.Close())
	})
	if err != nil {
		return Layer{}, err
	}
	written.LeftOut = made.LeftOut
	made = written
	if r.Store.Has(made.Digest, made.SizeBytes) {
		return made, nil
	}
	return made, r.Store.Adopt(at, made.Digest)
}

// writeLayer compresses what fill writes into a file.
func writeLayer(path string, fill func(out io.Writer) (entries int, err error)) (made Layer, err error) {
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return made, err
	}
	sum, plain := sha256.New(), sha256.New()
	counted := &counter{to: io.MultiWriter(out, sum)}
	compressed, err := gzip.NewWriterLevel(counted, gzip.BestSpeed)
	if err != nil {
		return made, errors.Join(err, out.Close())
	}
	buffered := bufio.NewWriterSize(io.MultiWriter(compressed, plain), 256<<10)
	made.Entries, err = fill(buffered)
	if err == nil {
		err = buffered.Flush()
	}
	if err := errors.Join(err, compressed.Close(), out.Close()); err != nil {
		return made, err
	}
	made.Digest, made.DiffID, made.SizeBytes = hashOf(sum), hashOf(plain), counted.bytes
	return made, nil
}

func hashOf(sum hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}
}

type counter struct {
	to    io.Writer
	bytes int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.bytes += int64(n)
	return n, err
}
