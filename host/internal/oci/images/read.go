package images

import (
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"banger.dev/host/internal/oci/blobs"
	"banger.dev/host/internal/oci/fault"
)

// Read reads the manifest and the configuration of an image that is in a store.
func Read(store *blobs.Store, digest v1.Hash) (*v1.Manifest, *v1.ConfigFile, error) {
	damaged := func(err error) error {
		return fault.Final(fault.Damaged, "Cannot read the image: %v", err).WithHint("pull or import the image again")
	}
	content, err := store.Read(digest, MaxManifestBytes)
	if err != nil {
		return nil, nil, err
	}
	manifest, err := ParseManifest(content)
	if err != nil {
		return nil, nil, damaged(err)
	}
	if content, err = store.Read(manifest.Config.Digest, MaxConfigBytes); err != nil {
		return nil, nil, err
	}
	config, err := ParseConfig(content)
	if err != nil {
		return nil, nil, damaged(err)
	}
	return manifest, config, nil
}
