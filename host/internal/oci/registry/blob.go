package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"banger.dev/host/internal/oci/blobs"
	"banger.dev/host/internal/oci/fault"
)

// blob brings a blob into the store. It continues what another pull has left, and uses the sources by turns.
// got learns of every byte that is there; a negative number means that bytes were wrong.
func (p *Puller) blob(ctx context.Context, sources []*source, wanted v1.Descriptor, got func(bytes int64)) error {
	part, err := p.Store.Begin(ctx, wanted.Digest, wanted.Size)
	if err != nil {
		return err
	}
	if part == nil {
		got(wanted.Size)
		return nil
	}
	defer part.Close()
	got(part.Size)
	wrong := 0
	return p.retry(ctx, func(number int) (int64, error) {
		before := part.Size
		s := sources[number%len(sources)]
		err := p.continueBlob(ctx, s, wanted, part, got)
		if err == nil {
			before := part.Size
			if err = part.Commit(); err == nil {
				return 0, nil
			}
			got(part.Size - before)
		}
		if errors.Is(err, blobs.ErrDigest) {
			// What was there before may have been wrong: once more, from the start.
			wrong++
			err := fault.New(fault.BadAnswer, "Cannot pull from %q: the content of %q has another digest", s.repository.Name(), wanted.Digest)
			err.IsFinal = wrong > len(sources)
			return 0, err
		}
		return part.Size - before, s.explain(ctx, err)
	})
}

// continueBlob reads what a partial blob lacks.
func (p *Puller) continueBlob(ctx context.Context, s *source, wanted v1.Descriptor, part *blobs.Partial, got func(bytes int64)) error {
	if part.Size == wanted.Size {
		return nil
	}
	inner, wrap, done := whileItComes(ctx, p.Stall, s)
	defer done()
	headers := map[string]string{}
	if part.Size > 0 {
		headers["Range"] = fmt.Sprintf("bytes=%d-", part.Size)
	}
	response, err := s.get(inner, "blobs/"+wanted.Digest.String(), headers)
	if err != nil {
		return causeIn(inner, err)
	}
	defer response.Body.Close()
	if err := transport.CheckError(response, http.StatusOK, http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable); err != nil {
		return causeIn(inner, err)
	}
	if !continues(response, part.Size) {
		got(-part.Size)
		if err := part.Reset(); err != nil {
			return err
		}
		if response.StatusCode != http.StatusOK {
			return fault.New(fault.BadAnswer, "Cannot pull from %q: it answers with another range than the requested one", s.repository.Name())
		}
	}
	if _, err := io.Copy(&reported{part, got}, io.LimitReader(wrap(response.Body), wanted.Size-part.Size)); err != nil {
		return err
	}
	if part.Size < wanted.Size {
		return fault.New(fault.BadAnswer, "Cannot pull from %q: %q ends after %d of %d bytes", s.repository.Name(), wanted.Digest, part.Size, wanted.Size)
	}
	return nil
}

// continues reports whether an answer begins where the partial blob ends.
func continues(response *http.Response, size int64) bool {
	if response.StatusCode != http.StatusPartialContent {
		return response.StatusCode == http.StatusOK && size == 0
	}
	var from int64
	_, err := fmt.Sscanf(response.Header.Get("Content-Range"), "bytes %d-", &from)
	return err == nil && from == size
}

type reported struct {
	part *blobs.Partial
	got  func(bytes int64)
}

func (r *reported) Write(content []byte) (int, error) {
	n, err := r.part.Write(content)
	r.got(int64(n))
	return n, err
}
