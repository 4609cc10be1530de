// Package archives brings images into a store from files and folders of this host.
package archives

import (
	"context"
	"encoding/json"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"banger.dev/host/internal/oci/blobs"
	"banger.dev/host/internal/oci/fault"
	"banger.dev/host/internal/oci/images"
)

// Progress learns what is there. Its methods may be called at the same time.
type Progress interface {
	// Expect says how many layers and bytes there will be.
	Expect(layers int, bytes int64)
	// Got says that bytes more are there.
	Got(bytes int64)
	// GotLayer says that one more layer is whole.
	GotLayer()
}

// Request says what to import.
type Request struct {
	Store *blobs.Store
	// Path is that of the file or folder; Name chooses one of several images in it, or is empty.
	Path, Name string
	Platform   v1.Platform
	Progress   Progress
}

// Importer brings an image into the store. What fails may leave blobs there, which are whole.
type Importer func(ctx context.Context, request Request) (images.Summary, error)

// Importers are those of each kind of place.
var Importers = map[string]Importer{
	"oci":            importLayout,
	"oci-archive":    importLayoutArchive,
	"docker-archive": importDockerArchive,
	"rootfs":         importRootfs,
	"dir":            importFolder,
}

// image is what is known of an image before its layers are in the store.
type image struct {
	reference string
	content   []byte
	manifest  *v1.Manifest
	config    *v1.ConfigFile
}

// finish stores the manifest, after everything that it names.
func (r Request) finish(ctx context.Context, i image) (images.Summary, error) {
	digest, err := r.put(ctx, i.content)
	if err != nil {
		return images.Summary{}, err
	}
	return images.Summarise(i.reference, digest, i.manifest, i.config, r.Platform), nil
}

func (r Request) put(ctx context.Context, content []byte) (v1.Hash, error) {
	digest, err := digestOf(content)
	if err != nil {
		return v1.Hash{}, err
	}
	return digest, r.Store.Put(ctx, digest, content)
}

// putJSON stores a value in its JSON form.
func (r Request) putJSON(ctx context.Context, value any) (v1.Descriptor, []byte, error) {
	content, err := json.Marshal(value)
	if err != nil {
		return v1.Descriptor{}, nil, err
	}
	digest, err := r.put(ctx, content)
	return v1.Descriptor{Digest: digest, Size: int64(len(content))}, content, err
}

// open opens the file of the request.
func (r Request) open() (*os.File, error) {
	file, err := os.Open(r.Path)
	if err != nil {
		return nil, missing(err)
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = bad("%q is no file", r.Path)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	r.Progress.Expect(0, info.Size())
	return file, nil
}

func missing(err error) error {
	return fault.Final(fault.ArchiveBad, "Cannot import an image: %v", err).WithHint("check the path")
}

func bad(format string, args ...any) *fault.Error {
	return fault.Final(fault.ArchiveBad, "Cannot import the image: "+format, args...)
}

// wrong is the error for content that is not that of an image.
func wrong(err error) error {
	if known, isKnown := fault.Of(err); isKnown {
		return known
	}
	return bad("%v", err)
}
