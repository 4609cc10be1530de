package registry

import (
	"context"
	"net/http"
	"path"
	"sync"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"banger.dev/host/internal/oci/credentials"
)

// source is a repository of a registry or of a mirror.
type source struct {
	repository name.Repository
	// doing is what is done with it, for errors: "pull from" or "push to".
	doing string
	// scopes are what a token must allow.
	scopes    []string
	guard     *guard
	authFiles []string
	lock      sync.Mutex
	client    *http.Client
	// problems say which credentials could not be read.
	problems []string
}

// sources returns where a repository is, the place to try first at the beginning.
func (p *Puller) sources(repository name.Repository) ([]*source, error) {
	var found []*source
	for _, mirror := range p.Mirrors {
		if !mirror.isOf(repository.Registry) {
			continue
		}
		at, err := p.repository(mirror.At, path.Join(mirror.Prefix, repository.RepositoryStr()))
		if err != nil {
			return nil, err
		}
		found = append(found, p.source(at))
	}
	own, err := p.repository(repository.RegistryStr(), repository.RepositoryStr())
	if err != nil {
		return nil, err
	}
	return append(found, p.source(own)), nil
}

func (p *Puller) repository(host, path string) (name.Repository, error) {
	var options []name.Option
	if p.guard.isInsecure(host) {
		options = append(options, name.Insecure)
	}
	registry, err := name.NewRegistry(host, options...)
	return registry.Repo(path), err
}

func (p *Puller) source(repository name.Repository) *source {
	return &source{
		repository: repository, doing: "pull from", scopes: []string{repository.Scope(transport.PullScope)},
		guard: p.guard, authFiles: p.AuthFiles,
	}
}

// connect returns a client that is logged in. A failure is tried again the next time.
func (s *source) connect(ctx context.Context) (*http.Client, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.client != nil {
		return s.client, nil
	}
	found := credentials.Find(ctx, s.authFiles, s.repository)
	s.problems = found.Problems
	loggedIn, err := transport.NewWithContext(ctx, s.repository.Registry, found.Authenticator, s.guard, s.scopes)
	if err != nil {
		return nil, err
	}
	s.client = &http.Client{Transport: loggedIn, CheckRedirect: checkRedirect}
	return s.client, nil
}

// get requests a part of the repository.
func (s *source) get(ctx context.Context, part string, headers map[string]string) (*http.Response, error) {
	return s.send(ctx, http.MethodGet, s.url(part), headers)
}

// url returns where a part of the repository is. The transport of package remote replaces the scheme where
// the registry has no TLS.
func (s *source) url(part string) string {
	return "https://" + s.repository.RegistryStr() + "/v2/" + s.repository.RepositoryStr() + "/" + part
}

func (s *source) send(ctx context.Context, method, at string, headers map[string]string) (*http.Response, error) {
	client, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, method, at, nil)
	if err != nil {
		return nil, err
	}
	for key, value := range headers {
		request.Header.Set(key, value)
	}
	return client.Do(request)
}
