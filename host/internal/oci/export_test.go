package oci

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

func TestAnExportedImageIsTheSameWhenItIsImported(t *testing.T) {
	made := simple(t)
	store, digest := stored(t, made), made.manifest.Digest
	out := filepath.Join(t.TempDir(), "image.tar")
	export := func(args ...string) printed {
		return run(t, exportImage, append([]string{"--store", store, "--manifest", digest, "--out", out}, args...)...)
	}
	exported := export("--name", "some.example/x:1").ok(t).Exported
	info, err := os.Stat(out)
	if err != nil {
		t.Fatal(err)
	}
	if exported.ManifestDigest != digest || exported.Layers != 2 || exported.SizeBytes >= info.Size() || exported.SizeBytes <= 0 {
		t.Errorf("%+v of %d bytes", exported, info.Size())
	}
	for _, kind := range []string{"oci-archive:", "docker-archive:"} {
		other := t.TempDir()
		found := run(t, importImage, "--store", other, "--from", kind+out).ok(t).Image
		if kind == "oci-archive:" && found.ManifestDigest != digest {
			t.Errorf("%s %s", kind, found.ManifestDigest)
		}
		if kind == "docker-archive:" && found.Reference != "some.example/x:1" {
			t.Errorf("%s %q", kind, found.Reference)
		}
		if found.ConfigDigest != made.parts[0].Digest {
			t.Errorf("%s has another configuration", kind)
		}
	}
	before, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	export("--name", "some.example/x:1").ok(t)
	after, err := os.ReadFile(out)
	if err != nil || string(before) != string(after) {
		t.Errorf("the second export differs: %v", err)
	}
}

func TestToolsReadAnExportedImage(t *testing.T) {
	skopeo, err := exec.LookPath("skopeo")
	if err != nil {
		t.Skip("skopeo is not installed")
	}
	layout := simpleWith(t, "+gzip")
	want := plainTree(t, layout.write(t))
	out := filepath.Join(t.TempDir(), "image.tar")
	run(t, exportImage, "--store", stored(t, layout), "--manifest", layout.manifest.Digest, "--out", out, "--name", "some.example/x:1").ok(t)
	for _, from := range []string{"oci-archive:" + out, "docker-archive:" + out} {
		to := filepath.Join(t.TempDir(), "layout")
		if said, err := exec.Command(skopeo, "--insecure-policy", "copy", from, "oci:"+to+":v1").CombinedOutput(); err != nil {
			t.Fatalf("skopeo %s: %v %s", from, err, said)
		}
		store := t.TempDir()
		found := run(t, importImage, "--store", store, "--from", "oci:"+to).ok(t).Image
		image, _ := rootfsOf(t, store, found.ManifestDigest, "--free", "0")
		requireSameTree(t, treeOf(t, mounted(t, image), time.Now()), want)
	}
}

func TestAnArchiveThatCannotBeWrittenIsAnError(t *testing.T) {
	made := simple(t)
	store := stored(t, made)
	dir := t.TempDir()
	for _, out := range []string{filepath.Join(dir, "none", "image.tar"), "/proc/image.tar"} {
		found := run(t, exportImage, "--store", store, "--manifest", made.manifest.Digest, "--out", out)
		if found.code() != "IMAGE_FILE_UNWRITABLE" {
			t.Errorf("%s: %+v", out, found.Error)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	found := run(t, exportImage, "--store", store, "--manifest", made.manifest.Digest, "--out", filepath.Join(dir, "folder"))
	if left, err := os.ReadDir(dir); found.code() != "IMAGE_FILE_UNWRITABLE" || err != nil || len(left) != 1 {
		t.Errorf("%+v, left %v", found.Error, left)
	}
}
