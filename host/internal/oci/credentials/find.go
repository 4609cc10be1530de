package credentials

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
)

// Found is what there is for a repository. Credentials that cannot be read are no error: most images need
// none.
type Found struct {
	authn.Authenticator
	// Problems say why credentials could not be read.
	Problems []string
}

// Find looks in one file after the other for the credentials of a repository. The most specific entry of a
// file counts: that of the repository, of a folder of it, of the registry.
func Find(ctx context.Context, files []string, repository name.Repository) Found {
	found := Found{Authenticator: authn.Anonymous}
	for _, at := range slices.Compact(slices.Clone(files)) {
		parsed, err := readFile(at)
		if err != nil {
			found.Problems = append(found.Problems, err.Error())
			continue
		}
		if parsed == nil {
			continue
		}
		credentials, isThere, err := parsed.find(ctx, repository)
		if err != nil {
			found.Problems = append(found.Problems, fmt.Sprintf("%s: %v", at, err))
		}
		if isThere {
			found.Authenticator = authn.FromConfig(credentials)
			return found
		}
	}
	return found
}

func (f *file) find(ctx context.Context, repository name.Repository) (authn.AuthConfig, bool, error) {
	registry := repository.RegistryStr()
	for _, key := range keys(repository) {
		for host, helper := range f.Helpers {
			if normalise(host) == key && helper != "" {
				return ask(ctx, helper, registry)
			}
		}
		if found, isThere := f.entry(key); isThere {
			return found, true, nil
		}
	}
	if f.Store != "" {
		return ask(ctx, f.Store, registry)
	}
	return authn.AuthConfig{}, false, nil
}

// keys are the names under which credentials for a repository can be, the most specific one first.
func keys(repository name.Repository) []string {
	registry := normalise(repository.RegistryStr())
	var found []string
	for at := repository.RepositoryStr(); at != "." && at != "/"; at = path.Dir(at) {
		found = append(found, registry+"/"+at)
	}
	return append(found, registry)
}

// normalise returns the name of a registry or a repository for any way to write it. Docker writes its own
// registry in three ways.
func normalise(key string) string {
	key = strings.TrimPrefix(strings.TrimPrefix(key, "https://"), "http://")
	for _, version := range []string{"/v1", "/v2"} {
		key = strings.TrimSuffix(strings.TrimSuffix(key, "/"), version)
	}
	host, rest, hasRest := strings.Cut(key, "/")
	if host == "docker.io" || host == "registry-1.docker.io" {
		host = name.DefaultRegistry
	}
	if hasRest {
		return host + "/" + rest
	}
	return host
}
