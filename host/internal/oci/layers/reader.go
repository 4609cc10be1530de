package layers

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"

	"banger.dev/host/internal/ext4"
	"banger.dev/host/internal/oci/fault"
)

// Reader reads the entries of a layer one after the other.
type Reader struct {
	stream  io.ReadCloser
	stop    func()
	content *counted
	archive *tar.Reader
	budget  *Budget
	next    int32
	// LeftOut are the attributes of the newest entry that cannot be kept.
	LeftOut []string
}

// Open begins to read a layer. The caller closes the result.
func Open(ctx context.Context, blob io.Reader, budget *Budget) (*Reader, error) {
	stream, err := Decompress(blob)
	if err != nil {
		return nil, bad("a layer is damaged: %v", err)
	}
	ahead, stop := readAhead(ctx, stream)
	content := &counted{from: ahead, budget: budget}
	return &Reader{stream: stream, stop: stop, content: content, archive: tar.NewReader(content), budget: budget}, nil
}

// Hash makes the reader compute the digest of the decompressed layer, which Finish returns.
func (r *Reader) Hash() { r.content.hash = sha256.New() }

// Close ends the reader.
func (r *Reader) Close() {
	r.stop()
	_ = r.stream.Close()
}

// Next returns the next entry, or io.EOF.
func (r *Reader) Next() (*Entry, error) {
	for {
		header, err := r.archive.Next()
		if err != nil {
			return nil, damaged(err)
		}
		at := r.next
		r.next++
		if err := r.budget.takeEntry(header.Size); err != nil {
			return nil, err
		}
		entry, leftOut, err := entryOf(header)
		if err != nil {
			return nil, err
		}
		if entry != nil {
			entry.At, r.LeftOut = at, leftOut
			return entry, nil
		}
	}
}

// Measure sets how many blocks the content of the newest entry takes. For a sparse file it reads the content.
func (r *Reader) Measure(e *Entry) error {
	if !e.IsSparse {
		e.Blocks = ext4.BlocksOf(e.SizeBytes)
		return nil
	}
	var err error
	e.Blocks, err = ext4.SparseBlocks(e.SizeBytes, r)
	return err
}

// Read reads the content of the newest entry.
func (r *Reader) Read(p []byte) (int, error) {
	n, err := r.archive.Read(p)
	return n, damaged(err)
}

// Finish reads the rest of the layer. It returns the digest of the decompressed layer in hex, when Hash was
// called.
func (r *Reader) Finish() (string, error) {
	if _, err := io.Copy(io.Discard, r.content); err != nil {
		return "", damaged(err)
	}
	if r.content.hash == nil {
		return "", nil
	}
	return hex.EncodeToString(r.content.hash.Sum(nil)), nil
}

// damaged turns what the packages for archives say of a damaged one into an error with a code. io.EOF
// remains.
func damaged(err error) error {
	var known *fault.Error
	switch {
	case err == nil, err == io.EOF, errors.As(err, &known), errors.Is(err, context.Canceled):
		return err
	}
	return bad("a layer is damaged: %v", err)
}

// counted takes what is read from the budget, and adds it to a hash when there is one.
type counted struct {
	from   io.Reader
	budget *Budget
	hash   hash.Hash
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	if c.hash != nil {
		c.hash.Write(p[:n])
	}
	if tooLarge := c.budget.takeBytes(int64(n)); tooLarge != nil {
		return n, tooLarge
	}
	return n, err
}
