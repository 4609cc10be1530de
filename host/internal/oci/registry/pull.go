package registry

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"banger.dev/host/internal/oci/blobs"
	"banger.dev/host/internal/oci/fault"
	"banger.dev/host/internal/oci/images"
)

// Options say where and how to pull and push.
type Options struct {
	Store *blobs.Store
	// Insecure are hosts, with or without a port, that need no TLS. This host never does.
	Insecure []string
	Mirrors  []Mirror
	// AuthFiles may have credentials; the first that has some for a registry counts.
	AuthFiles []string
	// Stall is how long a registry may send nothing.
	Stall time.Duration
	// Backoff is the pause before the second try; it doubles from one to the next.
	Backoff time.Duration
}

// Defaults of Options.
const (
	DefaultStall = 60 * time.Second
	// PushStall is longer: a registry may move a large layer to its place before it answers.
	PushStall      = 5 * time.Minute
	DefaultBackoff = 500 * time.Millisecond
)

// layersAtOnce is how many layers are pulled at the same time.
const layersAtOnce = 3

// Progress learns what is there. Its methods may be called at the same time.
type Progress interface {
	// Expect says how many layers and bytes there will be.
	Expect(layers int, bytes int64)
	// Got says that bytes more are there, or fewer.
	Got(bytes int64)
	// GotLayer says that one more layer is whole.
	GotLayer()
}

// Puller pulls images, and pushes them.
type Puller struct {
	Options
	guard *guard
}

// NewPuller returns a Puller. The caller closes it.
func NewPuller(options Options) *Puller {
	insecure := options.Insecure
	for _, mirror := range options.Mirrors {
		if mirror.IsInsecure {
			insecure = append(insecure, mirror.At)
		}
	}
	return &Puller{options, newGuard(insecure, options.Stall)}
}

// Close ends the connections.
func (p *Puller) Close() { p.guard.close() }

// maxIndexDepth is how many lists of images may lead to an image.
const maxIndexDepth = 3

// Pull brings the image for a platform into the store. What the store has already is not pulled again.
func (p *Puller) Pull(ctx context.Context, reference name.Reference, platform v1.Platform, progress Progress) (images.Summary, error) {
	sources, err := p.sources(reference.Context())
	if err != nil {
		return images.Summary{}, err
	}
	var wanted v1.Hash
	if digest, isDigest := reference.(name.Digest); isDigest {
		if wanted, err = v1.NewHash(digest.DigestStr()); err != nil {
			return images.Summary{}, fault.Final(fault.ReferenceInvalid, "Cannot use the image name %q: its digest is invalid", reference)
		}
	}
	top, sources, err := p.first(ctx, sources, reference.Identifier(), wanted)
	if err != nil {
		return images.Summary{}, err
	}
	for depth := 0; top.media.IsIndex(); depth++ {
		if depth == maxIndexDepth {
			return images.Summary{}, sources[0].wrong(errors.New("its index leads to more indexes"))
		}
		entries, err := images.ParseIndex(top.content)
		if err != nil {
			return images.Summary{}, sources[0].wrong(err)
		}
		entry, err := images.Choose(entries, platform)
		if err != nil {
			return images.Summary{}, sources[0].wrong(err)
		}
		if top, err = p.manifest(ctx, sources[0], entry.Digest.String(), entry.Digest); err != nil {
			return images.Summary{}, err
		}
	}
	manifest, err := images.ParseManifest(top.content)
	if err != nil {
		return images.Summary{}, sources[0].wrong(err)
	}
	config, err := p.config(ctx, sources, manifest, platform)
	if err != nil {
		return images.Summary{}, err
	}
	if err := p.layers(ctx, sources, manifest, progress); err != nil {
		return images.Summary{}, err
	}
	if err := p.Store.Put(ctx, top.digest, top.content); err != nil {
		return images.Summary{}, err
	}
	return images.Summarise(FullName(reference), top.digest, manifest, config, platform), nil
}

// first gets the manifest from the first source that has it. That source is the first of the returned ones.
func (p *Puller) first(ctx context.Context, sources []*source, id string, wanted v1.Hash) (found, []*source, error) {
	var last error
	for at, s := range sources {
		got, err := p.manifest(ctx, s, id, wanted)
		if err == nil {
			return got, append([]*source{s}, append(sources[:at:at], sources[at+1:]...)...), nil
		}
		if last = err; ctx.Err() != nil {
			break
		}
	}
	return found{}, sources, last
}

// wrong is the error for content that is not that of an image.
func (s *source) wrong(err error) error {
	if known, isKnown := fault.Of(err); isKnown {
		return known
	}
	return fault.Final(fault.BadAnswer, "Cannot %s %q: %v", s.doing, s.repository.Name(), err)
}

func (p *Puller) config(ctx context.Context, sources []*source, manifest *v1.Manifest, platform v1.Platform) (*v1.ConfigFile, error) {
	if err := p.blob(ctx, sources, manifest.Config, func(int64) {}); err != nil {
		return nil, err
	}
	content, err := p.Store.Read(manifest.Config.Digest, images.MaxConfigBytes)
	if err != nil {
		return nil, err
	}
	config, err := images.ParseConfig(content)
	if err == nil {
		err = images.CheckPlatform(config, platform)
	}
	if err != nil {
		return nil, sources[0].wrong(err)
	}
	return config, nil
}

// layers pulls the layers that the store lacks. The first failure ends all.
func (p *Puller) layers(ctx context.Context, sources []*source, manifest *v1.Manifest, progress Progress) error {
	var bytes, missing int64
	for _, layer := range manifest.Layers {
		bytes += layer.Size
		if !p.Store.Has(layer.Digest, layer.Size) {
			missing += layer.Size
		}
	}
	progress.Expect(len(manifest.Layers), bytes)
	if err := p.Store.CheckSpace(missing); err != nil {
		return err
	}
	return severalAtOnce(ctx, manifest.Layers, func(ctx context.Context, layer v1.Descriptor) error {
		if err := p.blob(ctx, sources, layer, progress.Got); err != nil {
			return err
		}
		progress.GotLayer()
		return nil
	})
}

// severalAtOnce calls work for each part. The first failure ends all.
func severalAtOnce(ctx context.Context, parts []v1.Descriptor, work func(ctx context.Context, part v1.Descriptor) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	slots := make(chan struct{}, layersAtOnce)
	for _, part := range parts {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			if ctx.Err() != nil {
				return
			}
			if err := work(ctx, part); err != nil {
				cancel(err)
			}
		})
	}
	running.Wait()
	return context.Cause(ctx)
}
