package archives

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"banger.dev/host/internal/oci/images"
	"banger.dev/host/internal/oci/layers"
)

const dockerManifestName = "manifest.json"

// dockerImage is an entry of the manifest.json that docker save writes.
type dockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

func importDockerArchive(ctx context.Context, r Request) (images.Summary, error) {
	return r.fromArchive(ctx, func(s *staged) (images.Summary, error) { return r.fromDocker(ctx, s) })
}

func (r Request) fromDocker(ctx context.Context, s *staged) (images.Summary, error) {
	content, err := s.read(dockerManifestName, images.MaxManifestBytes)
	if err != nil {
		return images.Summary{}, err
	}
	var entries []dockerImage
	if err := json.Unmarshal(content, &entries); err != nil {
		return images.Summary{}, bad("its %s is damaged: %v", dockerManifestName, err)
	}
	chosen, err := r.chooseDocker(entries)
	if err != nil {
		return images.Summary{}, err
	}
	configContent, err := s.read(chosen.Config, images.MaxConfigBytes)
	if err != nil {
		return images.Summary{}, err
	}
	config, err := images.ParseConfig(configContent)
	if err == nil {
		err = images.CheckPlatform(config, r.Platform)
	}
	if err == nil && len(config.RootFS.DiffIDs) != len(chosen.Layers) {
		err = fmt.Errorf("its configuration has %d layers, and the archive has %d", len(config.RootFS.DiffIDs), len(chosen.Layers))
	}
	if err != nil {
		return images.Summary{}, wrong(err)
	}
	configDigest, err := r.put(ctx, configContent)
	if err != nil {
		return images.Summary{}, err
	}
	manifest := newManifest(v1.Descriptor{Digest: configDigest, Size: int64(len(configContent))})
	for _, name := range chosen.Layers {
		layer, err := s.layer(ctx, name)
		if err != nil {
			return images.Summary{}, err
		}
		manifest.Layers = append(manifest.Layers, layer)
		r.Progress.GotLayer()
	}
	return r.finishManifest(ctx, firstName(chosen.RepoTags), manifest, config)
}

func newManifest(config v1.Descriptor) *v1.Manifest {
	config.MediaType = types.OCIConfigJSON
	return &v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Config: config, Layers: []v1.Descriptor{}}
}

func (r Request) finishManifest(ctx context.Context, reference string, manifest *v1.Manifest, config *v1.ConfigFile) (images.Summary, error) {
	content, err := json.Marshal(manifest)
	if err == nil {
		// The same checks as for a manifest from elsewhere.
		_, err = images.ParseManifest(content)
	}
	if err != nil {
		return images.Summary{}, wrong(err)
	}
	return r.finish(ctx, image{reference, content, manifest, config})
}

func (r Request) chooseDocker(entries []dockerImage) (dockerImage, error) {
	var names []string
	for _, entry := range entries {
		names = append(names, entry.RepoTags...)
		if r.Name != "" && slices.Contains(entry.RepoTags, r.Name) {
			return entry, nil
		}
	}
	switch {
	case r.Name != "":
		return dockerImage{}, bad("%q has no image %q, but: %q", r.Path, r.Name, names)
	case len(entries) == 0:
		return dockerImage{}, bad("%q has no image", r.Path)
	case len(entries) > 1:
		return dockerImage{}, several(r.Path, names)
	}
	return entries[0], nil
}

func firstName(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return normalName(names[0])
}

// layer brings a layer of the archive to the store. An image may have a layer twice, which is then moved
// already.
func (s *staged) layer(ctx context.Context, name string) (v1.Descriptor, error) {
	found, err := s.find(name)
	if err != nil {
		return v1.Descriptor{}, err
	}
	layer := v1.Descriptor{Digest: found.digest, Size: found.size}
	if err := s.bring(ctx, name, found.digest, found.size); err != nil {
		return v1.Descriptor{}, err
	}
	layer.MediaType, err = s.request.mediaTypeOf(found.digest)
	return layer, err
}

// mediaTypeOf returns that of a layer in the store, by how it is compressed.
func (r Request) mediaTypeOf(digest v1.Hash) (types.MediaType, error) {
	blob, err := r.Store.Open(digest)
	if err != nil {
		return "", err
	}
	defer blob.Close()
	// A layer may be shorter.
	start, err := io.ReadAll(io.LimitReader(blob, layers.MagicBytes))
	if err != nil {
		return "", err
	}
	switch layers.CompressionOf(start) {
	case layers.Gzip:
		return types.OCILayer, nil
	case layers.Zstd:
		return types.OCILayerZStd, nil
	}
	return types.OCIUncompressedLayer, nil
}
