package pack

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"banger.dev/host/internal/oci/blobs"
	"banger.dev/host/internal/oci/fault"
	"banger.dev/host/internal/oci/images"
)

// About is what a new image says of itself besides its layers.
type About struct {
	// Parent is the manifest of the image below, or the zero value for an image of one layer.
	Parent v1.Hash
	// Config counts without a parent.
	Config    images.Config
	Platform  v1.Platform
	Created   time.Time
	CreatedBy string
}

// AddImage stores the configuration and the manifest of an image whose newest layer is in the store.
func AddImage(ctx context.Context, store *blobs.Store, layer Layer, about About) (images.Summary, error) {
	manifest, config, err := parentOf(store, about)
	if err != nil {
		return images.Summary{}, err
	}
	layerMedia, configMedia := types.OCILayer, types.OCIConfigJSON
	if manifest.MediaType == types.DockerManifestSchema2 {
		layerMedia, configMedia = types.DockerLayer, types.DockerConfigJSON
	}
	config.Created = v1.Time{Time: about.Created}
	config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, layer.DiffID)
	config.History = append(config.History, v1.History{Created: config.Created, CreatedBy: about.CreatedBy})
	manifest.Layers = append(manifest.Layers, v1.Descriptor{MediaType: layerMedia, Digest: layer.Digest, Size: layer.SizeBytes})
	if manifest.Config, err = put(ctx, store, config); err != nil {
		return images.Summary{}, err
	}
	manifest.Config.MediaType = configMedia
	stored, err := put(ctx, store, manifest)
	if err != nil {
		return images.Summary{}, err
	}
	return images.Summarise("", stored.Digest, manifest, config, about.Platform), nil
}

// parentOf returns what the image begins with.
func parentOf(store *blobs.Store, about About) (*v1.Manifest, *v1.ConfigFile, error) {
	if about.Parent == (v1.Hash{}) {
		platform, c := about.Platform, about.Config
		config := &v1.ConfigFile{
			OS: platform.OS, Architecture: platform.Architecture, Variant: platform.Variant,
			Config: v1.Config{
				Env: c.Env, Cmd: c.Cmd, Entrypoint: c.Entrypoint, User: c.User, WorkingDir: c.WorkingDir,
				Labels: c.Labels, StopSignal: c.StopSignal,
			},
			RootFS: v1.RootFS{Type: "layers"},
		}
		for _, port := range c.ExposedPorts {
			if config.Config.ExposedPorts == nil {
				config.Config.ExposedPorts = map[string]struct{}{}
			}
			config.Config.ExposedPorts[port] = struct{}{}
		}
		return &v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1}, config, nil
	}
	manifest, config, err := images.Read(store, about.Parent)
	if err != nil {
		return nil, nil, err
	}
	if len(config.RootFS.DiffIDs) != len(manifest.Layers) {
		return nil, nil, fault.Final(fault.Damaged, "Cannot use the image below: its configuration has another number of layers than its manifest")
	}
	manifest.Annotations, manifest.Subject = nil, nil
	config.History = slices.Clone(config.History)
	return manifest, config, nil
}

func put(ctx context.Context, store *blobs.Store, value any) (v1.Descriptor, error) {
	content, err := json.Marshal(value)
	if err != nil {
		return v1.Descriptor{}, err
	}
	digest, size, err := v1.SHA256(bytes.NewReader(content))
	if err != nil {
		return v1.Descriptor{}, err
	}
	return v1.Descriptor{Digest: digest, Size: size}, store.Put(ctx, digest, content)
}
