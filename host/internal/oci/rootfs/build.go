package rootfs

import (
	"context"
	"io"
	"os"
	"time"

	"banger.dev/host/internal/ext4"
	"banger.dev/host/internal/oci/layers"
)

// Request is an image, and how its file system is to be.
type Request struct {
	// Layers are those of the image, the lowest one first.
	Layers []Layer
	Limits layers.Limits
	// FreeBytes remain for files that are added later.
	FreeBytes int64
	UUID      [16]byte
	// Made is the time of everything that has none of its own.
	Made time.Time
	// Progress learns how many bytes of layers were read: each layer is read twice.
	Progress func(bytes int64)
}

// Summary says what a file system has in it.
type Summary struct {
	SizeBytes     int64 `json:"sizeBytes"`
	Entries       int   `json:"entries"`
	UnpackedBytes int64 `json:"unpackedBytes"`
	// LeftOut names what the file system cannot have: the first hundred.
	LeftOut []string `json:"leftOut"`
}

const (
	label = "root"
	// maxJournalBytes is enough for bursts. Every journal block that is used is copied into a VM's overlay.
	maxJournalBytes = 32 << 20
)

type builder struct {
	Request
	plan   plan
	writer *ext4.Writer
}

// Build writes the file system to an empty file. The same request makes the same bytes. A failure leaves a
// file that must not be used.
func Build(ctx context.Context, into *os.File, request Request) (Summary, error) {
	b := &builder{Request: request}
	tree, err := b.index(ctx)
	if err != nil {
		return Summary{}, err
	}
	b.plan.need.FreeBytes, b.plan.need.MaxJournalBytes = b.FreeBytes, maxJournalBytes
	if err := b.plan.add(tree.Top, ""); err != nil {
		return Summary{}, err
	}
	size, err := ext4.SizeFor(b.plan.need)
	if err != nil {
		return Summary{}, err
	}
	b.writer, err = ext4.NewWriter(into, ext4.Options{
		Size: size, UUID: b.UUID, Made: b.Made, MaxEntries: b.plan.entries, Label: label, MaxJournalBytes: maxJournalBytes,
	})
	if err != nil {
		return Summary{}, err
	}
	b.writer.SetTop(tree.Top.Attributes)
	files, err := b.name(b.writer.Top(), tree.Top)
	if err != nil {
		return Summary{}, err
	}
	if err := b.copyContents(ctx, files); err != nil {
		return Summary{}, err
	}
	if err := b.writer.Close(); err != nil {
		return Summary{}, err
	}
	leftOut := append([]string{}, b.plan.leftOut...)
	return Summary{SizeBytes: size, Entries: b.plan.entries, UnpackedBytes: b.plan.unpackedBytes, LeftOut: leftOut}, nil
}

// watched reports what is read of a blob, and ends the reading when the work is cancelled.
func (b *builder) watched(ctx context.Context, blob io.Reader) io.Reader {
	return &watched{ctx, blob, b.Progress}
}

type watched struct {
	ctx      context.Context
	from     io.Reader
	progress func(bytes int64)
}

func (w *watched) Read(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := w.from.Read(p)
	if w.progress != nil {
		w.progress(int64(n))
	}
	return n, err
}
