package archives

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"banger.dev/host/internal/oci/blobs"
	"banger.dev/host/internal/oci/images"
)

// ExportRequest is an image of a store, and what it is to be called.
type ExportRequest struct {
	Store    *blobs.Store
	Manifest v1.Hash
	// Name is nil for an image without a name.
	Name     name.Reference
	Progress Progress
}

// Exported says what an archive has.
type Exported struct {
	ManifestDigest v1.Hash `json:"manifestDigest"`
	Layers         int     `json:"layers"`
	SizeBytes      int64   `json:"sizeBytes"`
}

// Annotations by which tools find the name of an image in a layout.
const (
	tagAnnotation  = "org.opencontainers.image.ref.name"
	nameAnnotation = "io.containerd.image.name"
)

// Export writes an image as a tar of an OCI layout. It also has the list that docker save writes, so that
// every version of docker load reads it. The same image makes the same bytes.
func Export(ctx context.Context, into io.Writer, r ExportRequest) (Exported, error) {
	manifest, config, err := images.Read(r.Store, r.Manifest)
	if err != nil {
		return Exported{}, err
	}
	content, err := r.Store.Read(r.Manifest, images.MaxManifestBytes)
	if err != nil {
		return Exported{}, err
	}
	e := &exporter{ctx: ctx, request: r, out: tar.NewWriter(into), written: map[v1.Hash]bool{}}
	var bytes int64
	for _, layer := range manifest.Layers {
		bytes += layer.Size
	}
	r.Progress.Expect(len(manifest.Layers), bytes)
	described := v1.Descriptor{MediaType: images.MediaTypeOf(content), Digest: r.Manifest, Size: int64(len(content))}
	described.Platform = &v1.Platform{OS: config.OS, Architecture: config.Architecture, Variant: config.Variant}
	index := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{r.named(described)}}
	steps := []func() error{
		func() error { return e.json("oci-layout", map[string]string{"imageLayoutVersion": "1.0.0"}) },
		func() error { return e.json("index.json", index) },
		func() error { return e.json("manifest.json", []any{r.forDocker(manifest)}) },
		func() error { return e.blob(described, func(int64) {}) },
		func() error { return e.blob(manifest.Config, func(int64) {}) },
		func() error { return e.layers(manifest.Layers) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return Exported{}, err
		}
	}
	return Exported{r.Manifest, len(manifest.Layers), e.bytes}, e.out.Close()
}

func (r ExportRequest) named(described v1.Descriptor) v1.Descriptor {
	if tag, isTag := r.Name.(name.Tag); isTag {
		described.Annotations = map[string]string{tagAnnotation: tag.TagStr(), nameAnnotation: shortName(tag)}
	}
	return described
}

// shortName writes the default registry as every tool does.
func shortName(tag name.Tag) string {
	if rest, isDefault := strings.CutPrefix(tag.Name(), name.DefaultRegistry+"/"); isDefault {
		return "docker.io/" + rest
	}
	return tag.Name()
}

// forDocker is the entry of the image in the list of docker save.
func (r ExportRequest) forDocker(manifest *v1.Manifest) map[string]any {
	tags, layers := []string{}, []string{}
	if tag, isTag := r.Name.(name.Tag); isTag {
		tags = append(tags, shortName(tag))
	}
	for _, layer := range manifest.Layers {
		layers = append(layers, blobName(layer.Digest))
	}
	return map[string]any{"Config": blobName(manifest.Config.Digest), "RepoTags": tags, "Layers": layers}
}

type exporter struct {
	ctx     context.Context
	request ExportRequest
	out     *tar.Writer
	written map[v1.Hash]bool
	bytes   int64
}

func (e *exporter) json(name string, value any) error {
	content, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return e.file(name, int64(len(content)), strings.NewReader(string(content)))
}

func (e *exporter) layers(layers []v1.Descriptor) error {
	for _, layer := range layers {
		if err := e.blob(layer, e.request.Progress.Got); err != nil {
			return err
		}
		e.request.Progress.GotLayer()
	}
	return nil
}

// blob writes a blob once, however often the image has it. It checks the digest.
func (e *exporter) blob(wanted v1.Descriptor, got func(bytes int64)) error {
	if e.written[wanted.Digest] {
		got(wanted.Size)
		return nil
	}
	e.written[wanted.Digest] = true
	file, err := e.request.Store.Open(wanted.Digest)
	if err != nil {
		return err
	}
	defer file.Close()
	checked := blobs.NewChecked(file, wanted.Digest)
	content := &watched{e.ctx, checked, progressOf(got)}
	if err := e.file(blobName(wanted.Digest), wanted.Size, content); err != nil {
		return err
	}
	return checked.Verify()
}

func (e *exporter) file(name string, size int64, content io.Reader) error {
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, Format: tar.FormatPAX}
	if err := e.out.WriteHeader(header); err != nil {
		return err
	}
	e.bytes += size
	_, err := io.CopyN(e.out, content, size)
	if errors.Is(err, io.EOF) {
		err = blobs.Other(name)
	}
	return err
}

// progressOf is a Progress that only counts bytes.
type progressOf func(bytes int64)

func (progressOf) Expect(int, int64) {}
func (p progressOf) Got(bytes int64) { p(bytes) }
func (progressOf) GotLayer()         {}
