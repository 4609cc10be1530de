package archives

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"banger.dev/host/internal/oci/blobs"
	"banger.dev/host/internal/oci/fault"
	"banger.dev/host/internal/oci/images"
	"banger.dev/host/internal/oci/registry"
)

const (
	indexName     = "index.json"
	refAnnotation = "org.opencontainers.image.ref.name"
	maxIndexDepth = 3
)

// place is where the files of an OCI layout are.
type place interface {
	// read returns a file of at most `most` bytes.
	read(name string, most int64) ([]byte, error)
	// bring puts a file into the store, after a check of its digest and size.
	bring(ctx context.Context, name string, digest v1.Hash, size int64) error
}

func importLayout(ctx context.Context, r Request) (images.Summary, error) {
	root, err := os.OpenRoot(r.Path)
	if err != nil {
		return images.Summary{}, missing(err)
	}
	defer root.Close()
	return r.fromLayout(ctx, &folder{r, root})
}

func importLayoutArchive(ctx context.Context, r Request) (images.Summary, error) {
	return r.fromArchive(ctx, func(s *staged) (images.Summary, error) { return r.fromLayout(ctx, s) })
}

// fromArchive unpacks the archive, and deletes what is left of it in the end.
func (r Request) fromArchive(ctx context.Context, use func(s *staged) (images.Summary, error)) (images.Summary, error) {
	file, err := r.open()
	if err != nil {
		return images.Summary{}, err
	}
	defer file.Close()
	dir, remove, err := r.Store.Staging()
	if err != nil {
		return images.Summary{}, err
	}
	defer remove()
	s, err := r.stage(ctx, file, dir)
	if err != nil {
		return images.Summary{}, err
	}
	return use(s)
}

func blobName(digest v1.Hash) string { return "blobs/" + digest.Algorithm + "/" + digest.Hex }

func (r Request) fromLayout(ctx context.Context, from place) (images.Summary, error) {
	content, err := from.read(indexName, images.MaxManifestBytes)
	if err != nil {
		return images.Summary{}, err
	}
	entry, err := r.choose(content)
	if err != nil {
		return images.Summary{}, wrong(err)
	}
	reference := normalName(entry.Annotations[refAnnotation])
	for depth := 0; ; depth++ {
		if content, err = readChecked(from, entry.Digest, images.MaxManifestBytes); err != nil {
			return images.Summary{}, err
		}
		if !images.MediaTypeOf(content).IsIndex() {
			break
		}
		if depth == maxIndexDepth {
			return images.Summary{}, bad("its index leads to more indexes")
		}
		entries, err := images.ParseIndex(content)
		if err == nil {
			entry, err = images.Choose(entries, r.Platform)
		}
		if err != nil {
			return images.Summary{}, wrong(err)
		}
	}
	return r.fromManifest(ctx, from, reference, content)
}

func (r Request) fromManifest(ctx context.Context, from place, reference string, content []byte) (images.Summary, error) {
	manifest, err := images.ParseManifest(content)
	if err != nil {
		return images.Summary{}, wrong(err)
	}
	configContent, err := readChecked(from, manifest.Config.Digest, images.MaxConfigBytes)
	if err != nil {
		return images.Summary{}, err
	}
	config, err := images.ParseConfig(configContent)
	if err == nil {
		err = images.CheckPlatform(config, r.Platform)
	}
	if err != nil {
		return images.Summary{}, wrong(err)
	}
	if _, err := r.put(ctx, configContent); err != nil {
		return images.Summary{}, err
	}
	for _, layer := range manifest.Layers {
		if err := from.bring(ctx, blobName(layer.Digest), layer.Digest, layer.Size); err != nil {
			return images.Summary{}, err
		}
		r.Progress.GotLayer()
	}
	return r.finish(ctx, image{reference, content, manifest, config})
}

func readChecked(from place, digest v1.Hash, most int64) ([]byte, error) {
	content, err := from.read(blobName(digest), most)
	if err != nil {
		return nil, err
	}
	if found, err := digestOf(content); err != nil || found != digest {
		return nil, bad("the content of %q has another digest", digest)
	}
	return content, nil
}

// choose returns the entry of an index that the request names, or the only one for the platform.
func (r Request) choose(content []byte) (v1.Descriptor, error) {
	entries, err := images.ParseIndex(content)
	if err != nil {
		return v1.Descriptor{}, err
	}
	var names []string
	for _, entry := range entries {
		if name := entry.Annotations[refAnnotation]; name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if r.Name != "" {
		entries = slices.DeleteFunc(entries, func(e v1.Descriptor) bool { return e.Annotations[refAnnotation] != r.Name })
	} else if len(slices.Compact(slices.Clone(names))) > 1 {
		return v1.Descriptor{}, several(r.Path, names)
	}
	if len(entries) == 0 {
		return v1.Descriptor{}, bad("%q has no image %q, but: %s", r.Path, r.Name, strings.Join(names, ", "))
	}
	return images.Choose(entries, r.Platform)
}

func several(path string, names []string) error {
	return bad("%q has several images: %s", path, strings.Join(names, ", ")).
		WithHint("add the name of one to the path: PATH:NAME")
}

// normalName returns the full form of an image's name, or nothing for what is no more than a tag.
func normalName(name string) string {
	reference, err := registry.ParseReference(name)
	if err != nil || !strings.ContainsAny(name, "/:") {
		return ""
	}
	return registry.FullName(reference)
}

// folder is a layout that is not packed. Symlinks cannot lead out of it.
type folder struct {
	request Request
	root    *os.Root
}

func (f *folder) open(name string) (*os.File, int64, error) {
	file, err := f.root.Open(name)
	if err != nil {
		return nil, 0, bad("%q: %v", f.request.Path, err)
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = bad("%q is no file", name)
	}
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, info.Size(), nil
}

func (f *folder) read(name string, most int64) ([]byte, error) {
	file, size, err := f.open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if size > most {
		return nil, bad("%q has %d bytes, of %d at most", name, size, most)
	}
	return io.ReadAll(io.LimitReader(file, most))
}

func (f *folder) bring(ctx context.Context, name string, digest v1.Hash, size int64) error {
	part, err := f.request.Store.Begin(ctx, digest, size)
	if err != nil || part == nil {
		return err
	}
	defer part.Close()
	file, found, err := f.open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	if found != size {
		return bad("%q has %d bytes instead of %d", name, found, size)
	}
	if err := part.Reset(); err != nil {
		return err
	}
	if _, err := io.Copy(part, &watched{ctx, io.LimitReader(file, size), f.request.Progress}); err != nil {
		return err
	}
	err = part.Commit()
	if errors.Is(err, blobs.ErrDigest) {
		return fault.Final(fault.ArchiveBad, "Cannot import the image: the content of %q has another digest", digest)
	}
	return err
}
