package oci

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// write makes an OCI layout of the image, with the tag "v1".
func (i image) write(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	blobs := filepath.Join(dir, "blobs/sha256")
	if err := os.MkdirAll(blobs, 0o700); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{
		filepath.Join(dir, "oci-layout"): []byte(`{"imageLayoutVersion":"1.0.0"}`),
		filepath.Join(dir, "index.json"): jsonOf(t, map[string]any{"schemaVersion": 2, "manifests": []any{map[string]any{
			"mediaType": i.manifest.MediaType, "digest": i.manifest.Digest, "size": i.manifest.Size,
			"annotations": map[string]string{"org.opencontainers.image.ref.name": "v1"},
		}}}),
	}
	for _, part := range append(i.parts, i.manifest) {
		files[filepath.Join(blobs, strings.TrimPrefix(part.Digest, "sha256:"))] = part.content
	}
	for path, content := range files {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// unpacked imports an image and returns its root file system, mounted.
func unpackedTree(t testing.TB, from string) string {
	t.Helper()
	store := t.TempDir()
	found := run(t, importImage, "--store", store, "--from", from).ok(t)
	image, _ := rootfsOf(t, store, found.Image.ManifestDigest, "--free", "0")
	return mounted(t, image)
}
