package registry

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"banger.dev/host/internal/oci/blobs"
	"banger.dev/host/internal/oci/fault"
)

// uploadedHow says how a blob came to a registry.
type uploadedHow int

const (
	sent uploadedHow = iota
	mounted
	present
)

// uploadOptions are what all blobs of a push have in common.
type uploadOptions struct {
	mountFrom []name.Repository
	// got learns of every byte that is there; a negative number means that bytes must be sent again.
	got func(bytes int64)
}

// upload brings a blob to a repository, unless it is there.
func (p *Puller) upload(ctx context.Context, to *source, part v1.Descriptor, options uploadOptions) (uploadedHow, error) {
	how := sent
	err := p.retry(ctx, func(int) (int64, error) {
		isThere, err := p.isThere(ctx, to, part)
		if err != nil || isThere {
			how = present
			return 0, err
		}
		at, isMounted, err := p.beginUpload(ctx, to, part, options.mountFrom)
		if err != nil || isMounted {
			how = mounted
			return 0, err
		}
		how = sent
		var bytes int64
		err = p.sendBlob(ctx, to, at, part, func(n int64) {
			bytes += n
			options.got(n)
		})
		if err != nil {
			options.got(-bytes)
		}
		return 0, err
	})
	if err == nil && how != sent {
		options.got(part.Size)
	}
	return how, err
}

func (p *Puller) isThere(ctx context.Context, to *source, part v1.Descriptor) (bool, error) {
	response, err := p.ask(ctx, to, http.MethodHead, to.url("blobs/"+part.Digest.String()))
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusNotFound {
		return false, nil
	}
	// Some registries refuse to say whether a blob is there to those who may send it.
	if response.StatusCode == http.StatusForbidden {
		return false, nil
	}
	if err := transport.CheckError(response, http.StatusOK); err != nil {
		return false, to.explain(ctx, err)
	}
	return true, nil
}

// beginUpload asks the registry to take a blob from another repository, or where to send it.
func (p *Puller) beginUpload(ctx context.Context, to *source, part v1.Descriptor, mountFrom []name.Repository) (at string, isMounted bool, err error) {
	queries := []string{}
	for _, from := range mountFrom {
		query := url.Values{"mount": {part.Digest.String()}, "from": {from.RepositoryStr()}}
		queries = append(queries, "?"+query.Encode())
	}
	for _, query := range append(queries, "") {
		response, err := p.ask(ctx, to, http.MethodPost, to.url("blobs/uploads/"+query))
		if err != nil {
			return "", false, err
		}
		if query != "" && response.StatusCode >= http.StatusBadRequest {
			continue
		}
		if err := transport.CheckError(response, http.StatusCreated, http.StatusAccepted); err != nil {
			return "", false, to.explain(ctx, err)
		}
		if response.StatusCode == http.StatusCreated {
			return "", true, nil
		}
		at, err := response.Request.URL.Parse(response.Header.Get("Location"))
		if err != nil || response.Header.Get("Location") == "" || at.Host == "" {
			return "", false, fault.New(fault.BadAnswer, "Cannot push to %q: the registry does not say where to send a layer", to.repository.Name())
		}
		return at.String(), false, nil
	}
	return "", false, nil
}

// sendBlob sends a whole blob.
func (p *Puller) sendBlob(ctx context.Context, to *source, at string, part v1.Descriptor, got func(bytes int64)) error {
	file, err := p.Store.Open(part.Digest)
	if err != nil {
		return err
	}
	defer file.Close()
	place, err := url.Parse(at)
	if err != nil {
		return err
	}
	query := place.Query()
	query.Set("digest", part.Digest.String())
	place.RawQuery = query.Encode()
	checked := blobs.NewChecked(file, part.Digest)
	response, err := p.put(ctx, to, place.String(), body{"application/octet-stream", part.Size, &counting{checked, got}})
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if err := transport.CheckError(response, http.StatusOK, http.StatusCreated, http.StatusNoContent); err != nil {
		if checked.Verify() != nil && response.StatusCode == http.StatusBadRequest {
			return checked.Verify()
		}
		return to.explain(ctx, err)
	}
	return checked.Verify()
}

// counting reports what is read.
type counting struct {
	from io.Reader
	got  func(bytes int64)
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.got(int64(n))
	return n, err
}

// ask sends a request without content.
func (p *Puller) ask(ctx context.Context, to *source, method, at string) (*http.Response, error) {
	inner, _, done := whileItComes(ctx, p.Stall, to)
	defer done()
	response, err := to.send(inner, method, at, nil)
	if err != nil {
		return nil, to.explain(ctx, causeIn(inner, err))
	}
	return response, settle(response)
}

// maxAnswerBytes bounds what is read of an answer; only errors say something.
const maxAnswerBytes = 64 << 10

// settle reads an answer, so that it outlives its request.
func settle(response *http.Response) error {
	content, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes))
	_ = response.Body.Close()
	response.Body = io.NopCloser(bytes.NewReader(content))
	return err
}

// body is what is sent.
type body struct {
	media string
	size  int64
	from  io.Reader
}

// put sends content. The request ends when nothing is taken, and no answer comes, for a while.
func (p *Puller) put(ctx context.Context, to *source, at string, content body) (*http.Response, error) {
	inner, wrap, done := whileItComes(ctx, p.Stall, to)
	defer done()
	client, err := to.connect(inner)
	if err != nil {
		return nil, to.explain(ctx, causeIn(inner, err))
	}
	request, err := http.NewRequestWithContext(inner, http.MethodPut, at, io.NopCloser(wrap(content.from)))
	if err != nil {
		return nil, fmt.Errorf("push: %w", err)
	}
	request.ContentLength = content.size
	if content.size == 0 {
		request.Body = http.NoBody
	}
	request.Header.Set("Content-Type", content.media)
	response, err := client.Do(request)
	if err != nil {
		return nil, to.explain(ctx, causeIn(inner, err))
	}
	return response, settle(response)
}
