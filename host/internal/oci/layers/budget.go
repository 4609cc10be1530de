package layers

import (
	"sync/atomic"

	"banger.dev/host/internal/oci/fault"
)

// Limits bound what the layers of an image may unpack to, together.
type Limits struct {
	// MaxBytes bounds the bytes of decompressed layers, and those of files with the holes of sparse ones.
	MaxBytes int64
	// MaxEntries bounds the entries of all layers, and so the memory.
	MaxEntries int64
}

// Budget is what is left of the limits of an image. Layers that are read at once share it.
type Budget struct {
	limits  Limits
	bytes   atomic.Int64
	files   atomic.Int64
	entries atomic.Int64
}

// NewBudget returns the whole of the limits.
func NewBudget(limits Limits) *Budget { return &Budget{limits: limits} }

// takeBytes counts decompressed bytes.
func (b *Budget) takeBytes(count int64) error { return b.bound(b.bytes.Add(count)) }

// takeEntry counts an entry with a file of size bytes.
func (b *Budget) takeEntry(size int64) error {
	if b.entries.Add(1) > b.limits.MaxEntries {
		return fault.Final(fault.TooLarge, "Cannot unpack the image: it has more than %d entries", b.limits.MaxEntries)
	}
	if size > b.limits.MaxBytes {
		return b.bound(size)
	}
	return b.bound(b.files.Add(size))
}

func (b *Budget) bound(bytes int64) error {
	if bytes > b.limits.MaxBytes {
		return fault.Final(fault.TooLarge, "Cannot unpack the image: it unpacks to more than %d bytes", b.limits.MaxBytes)
	}
	return nil
}
