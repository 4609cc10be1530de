package oci

import (
	"archive/tar"
	"bytes"
	"io"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/klauspost/compress/gzip"
)

// largeArchive is a compressed archive with a file of size bytes.
func largeArchive(t testing.TB, size int64) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(zipped)
	if err := w.WriteHeader(&tar.Header{Name: "large", Typeflag: tar.TypeReg, Size: size}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(w, zeros{}, size); err != nil {
		t.Fatal(err)
	}
	for _, closer := range []io.Closer{w, zipped} {
		if err := closer.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestMemoryDoesNotGrowWithTheContent(t *testing.T) {
	archive := write(t, "large.tar.gz", largeArchive(t, 256<<20))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	store := t.TempDir()
	found := run(t, importImage, "--store", store, "--from", "rootfs:"+archive).ok(t)
	out := filepath.Join(t.TempDir(), "rootfs")
	made := run(t, makeRootfs, "--store", store, "--manifest", found.Image.ManifestDigest, "--out", out).ok(t)
	runtime.ReadMemStats(&after)
	if made.Rootfs.UnpackedBytes != 256<<20 {
		t.Errorf("%+v", made.Rootfs)
	}
	// What the program took from the system never shrinks, so that this is its peak.
	if grown := int64(after.Sys) - int64(before.Sys); grown > 48<<20 {
		t.Errorf("memory grew by %d bytes", grown)
	}
}
