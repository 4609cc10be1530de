package registry

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"

	"banger.dev/host/internal/oci/fault"
)

// shortRegistry is what everybody writes for the default registry, whose real name is name.DefaultRegistry.
const shortRegistry = "docker.io"

// The forms of what package name checks only in part: a repository becomes a part of a URL.
var (
	repositoryForm = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)
	hostForm       = regexp.MustCompile(`^([A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?$`)
)

// ParseReference reads the name of an image. Without a registry it is of the default one.
func ParseReference(text string) (name.Reference, error) {
	reference, err := name.ParseReference(text)
	if err != nil || !repositoryForm.MatchString(reference.Context().RepositoryStr()) || !hostForm.MatchString(reference.Context().RegistryStr()) {
		return nil, fault.Final(fault.ReferenceInvalid, "Cannot use the image name %q: it is not of the form [HOST[:PORT]/]NAME[:TAG][@sha256:DIGEST]", text)
	}
	return reference, nil
}

// FullName returns the full form of a reference.
func FullName(reference name.Reference) string {
	if rest, isDefault := strings.CutPrefix(reference.Name(), name.DefaultRegistry+"/"); isDefault {
		return shortRegistry + "/" + rest
	}
	return reference.Name()
}

// Mirror is a place that has the images of a registry.
type Mirror struct {
	// Host is the registry, as users write it.
	Host string
	// At is the host of the mirror.
	At string
	// Prefix is a path before the names of repositories, or empty.
	Prefix     string
	IsInsecure bool
}

// ParseMirror reads HOST=URL.
func ParseMirror(text string) (Mirror, error) {
	host, at, found := strings.Cut(text, "=")
	if !strings.Contains(at, "://") {
		at = "https://" + at
	}
	parsed, err := url.Parse(at)
	if !found || host == "" || err != nil || parsed.Host == "" || parsed.User != nil || parsed.RawQuery != "" ||
		parsed.Scheme != "https" && parsed.Scheme != "http" {
		return Mirror{}, fmt.Errorf("a mirror has the form HOST=URL")
	}
	return Mirror{host, parsed.Host, strings.Trim(parsed.Path, "/"), parsed.Scheme == "http"}, nil
}

// isOf reports whether the mirror is one of a registry.
func (m Mirror) isOf(registry name.Registry) bool {
	return m.Host == registry.RegistryStr() || m.Host == shortRegistry && registry.RegistryStr() == name.DefaultRegistry
}
