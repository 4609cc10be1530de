package oci

import (
	"flag"
	"os"

	"banger.dev/host/internal/oci/blobs"
	"banger.dev/host/internal/oci/credentials"
	"banger.dev/host/internal/oci/registry"
	"github.com/google/go-containerregistry/pkg/name"
)

// source is what a program is told about a registry to read from, and the store to read into.
type source struct {
	store, ref                   *string
	insecure, mirrors, authFiles texts
}

// addSource declares the flags of a source.
func addSource(flags *flag.FlagSet) *source {
	s := &source{
		store: flags.String("store", "", "folder of the store"),
		ref:   flags.String("ref", "", "name of what is read"),
	}
	flags.Var(&s.insecure, "insecure", "HOST or HOST:PORT that needs no TLS")
	flags.Var(&s.mirrors, "mirror", "HOST=URL of a place that has the content of a registry")
	flags.Var(&s.authFiles, "auth", "file with credentials, in place of those of Docker and Podman")
	return s
}

// opened is a source that can be read. Its puller must be closed.
type opened struct {
	reference name.Reference
	into      *blobs.Store
	puller    *registry.Puller
}

// open opens a source after its flags were parsed.
func (s *source) open() (*opened, error) {
	var mirrors []registry.Mirror
	for _, text := range s.mirrors {
		mirror, err := registry.ParseMirror(text)
		if err != nil {
			return nil, errUsage
		}
		mirrors = append(mirrors, mirror)
	}
	reference, err := registry.ParseReference(*s.ref)
	if err != nil {
		return nil, err
	}
	into, err := blobs.Open(*s.store)
	if err != nil {
		return nil, err
	}
	authFiles := s.authFiles
	if len(authFiles) == 0 {
		authFiles = credentials.DefaultFiles(os.Getenv)
	}
	puller := registry.NewPuller(registry.Options{
		Store: into, Insecure: s.insecure, Mirrors: mirrors, AuthFiles: authFiles,
		Stall: registry.DefaultStall, Backoff: registry.DefaultBackoff,
	})
	return &opened{reference: reference, into: into, puller: puller}, nil
}
