// Package images reads what an image says of itself: its manifest, its configuration, and which of several
// images is for a platform.
package images

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Bounds of what is read to memory and of what an image may have.
const (
	MaxManifestBytes = 4 << 20
	MaxConfigBytes   = 4 << 20
	maxLayers        = 1000
	// MaxLayerBytes bounds all layers of an image together, as they are stored.
	MaxLayerBytes = 256 << 30
)

// MediaTypeOf returns what a manifest says it is, for a source that does not say so.
func MediaTypeOf(content []byte) types.MediaType {
	var said struct {
		MediaType types.MediaType   `json:"mediaType"`
		Manifests []json.RawMessage `json:"manifests"`
		Version   int               `json:"schemaVersion"`
	}
	if json.Unmarshal(content, &said) != nil {
		return ""
	}
	switch {
	case said.MediaType != "":
		return said.MediaType
	case said.Version == 1:
		return types.DockerManifestSchema1
	case said.Manifests != nil:
		return types.OCIImageIndex
	}
	return types.OCIManifestSchema1
}

// ParseManifest reads the manifest of one image and checks what it says.
func ParseManifest(content []byte) (*v1.Manifest, error) {
	manifest, err := v1.ParseManifest(bytes.NewReader(content))
	if err != nil {
		return nil, fmt.Errorf("its manifest is damaged: %w", err)
	}
	if media := MediaTypeOf(content); !media.IsImage() {
		return nil, fmt.Errorf("it is a %q, which is no image", media)
	}
	if media := manifest.Config.MediaType; media != "" && !media.IsConfig() {
		return nil, fmt.Errorf("it is a %q, which is no image of a root file system", media)
	}
	return manifest, checkParts(manifest)
}

// ParseArtifact reads the manifest of something else than an image whose content is one archive, and returns
// the archive.
func ParseArtifact(content []byte) (v1.Descriptor, error) {
	manifest, err := v1.ParseManifest(bytes.NewReader(content))
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("its manifest is damaged: %w", err)
	}
	if media := MediaTypeOf(content); media != types.OCIManifestSchema1 {
		return v1.Descriptor{}, fmt.Errorf("it is a %q, which is no artefact", media)
	}
	if len(manifest.Layers) != 1 {
		return v1.Descriptor{}, fmt.Errorf("it has %d parts: an artefact of files has one", len(manifest.Layers))
	}
	return manifest.Layers[0], checkParts(manifest)
}

// checkParts fails when a manifest has too many or too large parts, or wrong digests.
func checkParts(manifest *v1.Manifest) error {
	if len(manifest.Layers) > maxLayers {
		return fmt.Errorf("it has %d layers, of %d at most", len(manifest.Layers), maxLayers)
	}
	var total int64
	for _, part := range append(slices.Clone(manifest.Layers), manifest.Config) {
		if err := checkDigest(part.Digest); err != nil {
			return err
		}
		if part.Size < 0 || part.Size > MaxLayerBytes {
			return fmt.Errorf("its part %q has %d bytes", part.Digest, part.Size)
		}
		total += part.Size
		if total > MaxLayerBytes {
			return fmt.Errorf("its layers have more than %d bytes", int64(MaxLayerBytes))
		}
	}
	if manifest.Config.Size > MaxConfigBytes {
		return fmt.Errorf("its configuration has %d bytes, of %d at most", manifest.Config.Size, MaxConfigBytes)
	}
	return nil
}

func checkDigest(digest v1.Hash) error {
	if digest.Algorithm != "sha256" || len(digest.Hex) != 64 || strings.Trim(digest.Hex, "0123456789abcdef") != "" {
		return fmt.Errorf("%q is no digest of the kind sha256", digest)
	}
	return nil
}

// ParseConfig reads the configuration of an image.
func ParseConfig(content []byte) (*v1.ConfigFile, error) {
	config, err := v1.ParseConfigFile(bytes.NewReader(content))
	if err != nil {
		return nil, fmt.Errorf("its configuration is damaged: %w", err)
	}
	return config, nil
}

// CheckPlatform fails when an image is not for a platform.
func CheckPlatform(config *v1.ConfigFile, wanted v1.Platform) error {
	has := v1.Platform{OS: config.OS, Architecture: config.Architecture, Variant: config.Variant}
	if Fits(has, wanted) {
		return nil
	}
	return MissingPlatform(wanted, []string{platformText(has)})
}
