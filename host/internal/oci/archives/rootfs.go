package archives

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"banger.dev/host/internal/oci/images"
	"banger.dev/host/internal/oci/layers"
)

// importRootfs imports a tar archive of a root file system, which may be compressed, as an image of one
// layer.
func importRootfs(ctx context.Context, r Request) (images.Summary, error) {
	file, err := r.open()
	if err != nil {
		return images.Summary{}, err
	}
	defer file.Close()
	return r.fromLayer(ctx, func(dir string) (member, error) {
		return writeHashed(filepath.Join(dir, "layer"), &watched{ctx, file, r.Progress})
	})
}

// fromLayer makes an image of one layer, which write writes into a folder.
func (r Request) fromLayer(ctx context.Context, write func(dir string) (member, error)) (images.Summary, error) {
	dir, remove, err := r.Store.Staging()
	if err != nil {
		return images.Summary{}, err
	}
	defer remove()
	layer, err := write(dir)
	if err != nil {
		return images.Summary{}, err
	}
	diffID, err := r.diffID(ctx, layer.path)
	if err != nil {
		return images.Summary{}, err
	}
	if !r.Store.Has(layer.digest, layer.size) {
		if err := r.Store.Adopt(layer.path, layer.digest); err != nil {
			return images.Summary{}, err
		}
	}
	media, err := r.mediaTypeOf(layer.digest)
	if err != nil {
		return images.Summary{}, err
	}
	config := &v1.ConfigFile{
		OS: r.Platform.OS, Architecture: r.Platform.Architecture, Variant: r.Platform.Variant,
		RootFS: v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{diffID}},
	}
	configPart, _, err := r.putJSON(ctx, config)
	if err != nil {
		return images.Summary{}, err
	}
	manifest := newManifest(configPart)
	manifest.Layers = []v1.Descriptor{{MediaType: media, Digest: layer.digest, Size: layer.size}}
	r.Progress.GotLayer()
	return r.finishManifest(ctx, "", manifest, config)
}

// diffID returns the digest of a decompressed layer. It reads the layer's entries, so that a file that is no
// archive is refused at once.
func (r Request) diffID(ctx context.Context, path string) (v1.Hash, error) {
	file, err := os.Open(path)
	if err != nil {
		return v1.Hash{}, err
	}
	defer file.Close()
	stream, err := layers.Decompress(file)
	if err != nil {
		return v1.Hash{}, bad("%q: %v", r.Path, err)
	}
	defer stream.Close()
	sum := sha256.New()
	bounded := &io.LimitedReader{R: stream, N: images.MaxLayerBytes}
	if err := checkEntries(ctx, io.TeeReader(bounded, sum)); err != nil {
		return v1.Hash{}, bad("%q is no tar archive that can be read: %v", r.Path, err)
	}
	if bounded.N == 0 {
		return v1.Hash{}, bad("%q unpacks to more than %d bytes", r.Path, int64(images.MaxLayerBytes))
	}
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}, nil
}
