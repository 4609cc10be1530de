package registry

import (
	"context"
	"fmt"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"banger.dev/host/internal/oci/fault"
	"banger.dev/host/internal/oci/images"
)

// Artifact is something else than an image: one archive of files.
type Artifact struct {
	// Manifest is the digest of what the reference names.
	Manifest v1.Hash
	// Archive is in the store.
	Archive v1.Descriptor
}

// PullArtifact brings an artefact with an archive of at most `most` bytes into the store.
func (p *Puller) PullArtifact(ctx context.Context, reference name.Reference, most int64, progress Progress) (Artifact, error) {
	sources, err := p.sources(reference.Context())
	if err != nil {
		return Artifact{}, err
	}
	var wanted v1.Hash
	if digest, isDigest := reference.(name.Digest); isDigest {
		if wanted, err = v1.NewHash(digest.DigestStr()); err != nil {
			return Artifact{}, fault.Final(fault.ReferenceInvalid, "Cannot use the name %q: its digest is invalid", reference)
		}
	}
	top, sources, err := p.first(ctx, sources, reference.Identifier(), wanted)
	if err != nil {
		return Artifact{}, err
	}
	archive, err := images.ParseArtifact(top.content)
	if err == nil && archive.Size > most {
		err = fmt.Errorf("its archive has %d bytes, of %d at most", archive.Size, most)
	}
	if err != nil {
		return Artifact{}, sources[0].wrong(err)
	}
	progress.Expect(1, archive.Size)
	if err := p.blob(ctx, sources, archive, progress.Got); err != nil {
		return Artifact{}, err
	}
	progress.GotLayer()
	return Artifact{top.digest, archive}, nil
}
