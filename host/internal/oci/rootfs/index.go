package rootfs

import (
	"context"
	"errors"
	"io"

	"banger.dev/host/internal/oci/fault"
	"banger.dev/host/internal/oci/flatten"
	"banger.dev/host/internal/oci/layers"
)

// Layer is a layer of an image.
type Layer struct {
	// Open returns the layer as it is in the store.
	Open func() (io.ReadCloser, error)
	// DiffID is the digest of the decompressed layer in hex, or empty when it is not known.
	DiffID string
}

// layersAtOnce is how many layers are read at the same time. Each waits with all its entries in memory until
// the lower ones are applied.
const layersAtOnce = 2

// indexed is what a layer has in it.
type indexed struct {
	entries []*layers.Entry
	leftOut []string
	err     error
}

// index reads all layers and returns the tree of the image.
func (b *builder) index(ctx context.Context) (*flatten.Tree, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	budget := layers.NewBudget(b.Limits)
	results, slots := make([]chan indexed, len(b.Layers)), make(chan struct{}, layersAtOnce)
	for at := range results {
		results[at] = make(chan indexed, 1)
	}
	go func() {
		for at, layer := range b.Layers {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				results[at] <- indexed{err: ctx.Err()}
				continue
			}
			go func() { results[at] <- b.indexLayer(ctx, layer, budget) }()
		}
	}()
	tree := flatten.New(b.Made)
	for at := range results {
		found := <-results[at]
		if found.err != nil {
			cancel()
			// The others end before the blobs are closed.
			for _, rest := range results[at+1:] {
				<-rest
			}
			return nil, found.err
		}
		tree.BeginLayer()
		for _, entry := range found.entries {
			if err := tree.Apply(entry); err != nil {
				return nil, err
			}
		}
		for _, what := range found.leftOut {
			b.plan.leaveOut(what)
		}
		<-slots
	}
	return tree, nil
}

func (b *builder) indexLayer(ctx context.Context, layer Layer, budget *layers.Budget) (found indexed) {
	blob, err := layer.Open()
	if err != nil {
		return indexed{err: err}
	}
	defer blob.Close()
	reader, err := layers.Open(ctx, b.watched(ctx, blob), budget)
	if err != nil {
		return indexed{err: err}
	}
	defer reader.Close()
	if layer.DiffID != "" {
		reader.Hash()
	}
	for {
		entry, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = reader.Measure(entry)
		}
		if err != nil {
			return indexed{err: err}
		}
		found.entries = append(found.entries, entry)
		if len(found.leftOut) < maxLeftOut {
			found.leftOut = append(found.leftOut, reader.LeftOut...)
		}
	}
	digest, err := reader.Finish()
	if err == nil && digest != layer.DiffID {
		err = fault.Final(fault.ArchiveBad, "Cannot unpack the image: a layer has the content sha256:%s, its configuration says sha256:%s", digest, layer.DiffID)
	}
	return indexed{found.entries, found.leftOut, err}
}
