package registry

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"banger.dev/host/internal/oci/fault"
	"banger.dev/host/internal/oci/images"
)

// accepted are the kinds of manifests that are understood.
var accepted = strings.Join([]string{
	string(types.OCIImageIndex), string(types.DockerManifestList), string(types.OCIManifestSchema1), string(types.DockerManifestSchema2),
}, ", ")

// found is a manifest or an index.
type found struct {
	content []byte
	media   types.MediaType
	digest  v1.Hash
}

// manifest gets a manifest by tag or digest. A digest in wanted must be that of the content.
func (p *Puller) manifest(ctx context.Context, s *source, id string, wanted v1.Hash) (found, error) {
	var got found
	err := p.retry(ctx, func(int) (int64, error) {
		var err error
		got, err = p.tryManifest(ctx, s, id, wanted)
		return 0, err
	})
	return got, err
}

func (p *Puller) tryManifest(ctx context.Context, s *source, id string, wanted v1.Hash) (found, error) {
	inner, wrap, done := whileItComes(ctx, p.Stall, s)
	defer done()
	response, err := s.get(inner, "manifests/"+id, map[string]string{"Accept": accepted})
	if err != nil {
		return found{}, s.explain(ctx, causeIn(inner, err))
	}
	defer response.Body.Close()
	if err := transport.CheckError(response, http.StatusOK); err != nil {
		return found{}, s.explain(ctx, causeIn(inner, err))
	}
	content, err := io.ReadAll(io.LimitReader(wrap(response.Body), images.MaxManifestBytes+1))
	if err != nil {
		return found{}, s.explain(ctx, err)
	}
	if len(content) > images.MaxManifestBytes {
		return found{}, fault.Final(fault.TooLarge, "Cannot pull from %q: the manifest has more than %d bytes", s.repository.Name(), images.MaxManifestBytes)
	}
	digest, _, err := v1.SHA256(bytes.NewReader(content))
	if err != nil {
		return found{}, err
	}
	if wanted == (v1.Hash{}) {
		// A header that makes no sense is as good as none.
		wanted, err = v1.NewHash(response.Header.Get("Docker-Content-Digest"))
		if err != nil || wanted.Algorithm != digest.Algorithm {
			wanted = digest
		}
	}
	if digest != wanted {
		return found{}, fault.New(fault.BadAnswer, "Cannot pull from %q: the manifest has the digest %q instead of %q", s.repository.Name(), digest, wanted)
	}
	return found{content, images.MediaTypeOf(content), digest}, nil
}

// causeIn returns why a request was ended, when it was this package that did so.
func causeIn(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}
