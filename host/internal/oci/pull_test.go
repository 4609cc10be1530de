package oci

import (
	"archive/tar"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// simple is an image of two layers, one for each compression.
func simple(t testing.TB) image {
	t.Helper()
	return simpleWith(t, "+zstd")
}

func simpleWith(t testing.TB, compression string) image {
	t.Helper()
	return imageOf(t, "amd64",
		layerOf(t, "+gzip",
			entry{name: "bin/", kind: tar.TypeDir},
			entry{name: "bin/sh", content: "#!", mode: 0o4755},
			entry{name: "etc/passwd", content: "root\n", mode: 0o644},
			entry{name: "lib", kind: tar.TypeSymlink, content: "usr/lib"}),
		layerOf(t, compression,
			entry{name: "etc/.wh.passwd"},
			entry{name: "etc/group", content: "wheel\n", uid: 70_000},
			entry{name: "dev/null", kind: tar.TypeChar},
			entry{name: "bin/again", kind: tar.TypeLink, content: "bin/sh"}))
}

func TestAnImageIsPulledAndBecomesARootFileSystem(t *testing.T) {
	url, host := startRegistry(t)
	made := simple(t)
	made.push(t, url, "some/image", "v1")
	store := t.TempDir()
	found := run(t, pull, "--store", store, "--ref", host+"/some/image:v1", noAuth(t)).ok(t).Image
	if found.Reference != host+"/some/image:v1" || found.ManifestDigest != made.manifest.Digest || found.ConfigDigest != made.parts[0].Digest {
		t.Errorf("found %+v", found)
	}
	want := `map[cmd:[sh] env:[PATH=/bin A=b] exposedPorts:[80/tcp] labels:map[a:b] stopSignal:SIGINT user:1000:1000 workingDir:/app]`
	if got := fmt.Sprint(found.Config); got != want || found.Platform != "linux/amd64" || len(found.Layers) != 2 {
		t.Errorf("found %s, %+v", got, found)
	}
	image, made2 := rootfsOf(t, store, found.ManifestDigest)
	if left := made2.Rootfs.LeftOut; len(left) != 1 || left[0] != "dev/null: a device node" {
		t.Errorf("left out: %q", left)
	}
	if size := made2.Rootfs.SizeBytes; size < 512<<20 || made2.Rootfs.UnpackedBytes != 8 {
		t.Errorf("%+v", made2.Rootfs)
	}
	again, _ := rootfsOf(t, store, found.ManifestDigest)
	requireSameFile(t, image, again)
	tree := mounted(t, image)
	requireTree(t, tree, []string{
		"bin", "bin/again #! 4755 2", "bin/sh #! 4755 2", "dev", "etc", "etc/group wheel\n 755 1", "lib -> usr/lib",
	})
}

func TestWhatTheStoreHasIsNotPulledAgain(t *testing.T) {
	url, host := startRegistry(t)
	made := simple(t)
	made.push(t, url, "image", "v1")
	store := t.TempDir()
	run(t, pull, "--store", store, "--ref", host+"/image:v1", noAuth(t)).ok(t)
	for _, part := range made.parts {
		path := filepath.Join(store, "blobs/sha256", strings.TrimPrefix(part.Digest, "sha256:"))
		// A blob that is pulled again is another file.
		if err := os.Chmod(path, 0o400); err != nil {
			t.Fatal(err)
		}
	}
	run(t, pull, "--store", store, "--ref", host+"/image@"+made.manifest.Digest, noAuth(t)).ok(t)
	for _, part := range made.parts {
		info, err := os.Stat(filepath.Join(store, "blobs/sha256", strings.TrimPrefix(part.Digest, "sha256:")))
		if err != nil || info.Mode() != 0o400 {
			t.Errorf("%v %v", info.Mode(), err)
		}
	}
	if rest, err := os.ReadDir(filepath.Join(store, "partial")); err != nil || len(rest) > 0 {
		t.Errorf("left: %v %v", rest, err)
	}
}

func TestThePlatformIsChosenFromAnIndex(t *testing.T) {
	url, host := startRegistry(t)
	var entries []any
	for _, arch := range []string{"arm64", "amd64"} {
		made := imageOf(t, arch, layerOf(t, "", entry{name: arch}))
		made.push(t, url, "image", "only-"+arch)
		platform := map[string]string{"os": "linux", "architecture": arch}
		if arch == "arm64" {
			platform["variant"] = "v8"
		}
		entries = append(entries, map[string]any{
			"mediaType": made.manifest.MediaType, "digest": made.manifest.Digest, "size": made.manifest.Size, "platform": platform,
		})
	}
	index := partOf("application/vnd.oci.image.index.v1+json", jsonOf(t, map[string]any{"schemaVersion": 2, "manifests": entries}))
	send(t, "PUT", url+"/v2/image/manifests/both", index)
	for _, arch := range []string{"arm64", "amd64"} {
		found := run(t, pull, "--store", t.TempDir(), "--ref", host+"/image:both", "--platform", "linux/"+arch, noAuth(t)).ok(t)
		if found.Image.Platform != "linux/"+arch {
			t.Errorf("%s: found %s", arch, found.Image.Platform)
		}
	}
	for tag, there := range map[string]string{"both": "linux/amd64, linux/arm64/v8", "only-amd64": "linux/amd64"} {
		missing := run(t, pull, "--store", t.TempDir(), "--ref", host+"/image:"+tag, "--platform", "linux/s390x", noAuth(t))
		if missing.code() != "IMAGE_PLATFORM_MISSING" || !strings.Contains(missing.Error.Message, there) {
			t.Errorf("%s: %+v", tag, missing.Error)
		}
	}
}

func TestErrorsOfAPullHaveCodes(t *testing.T) {
	url, host := startRegistry(t)
	simple(t).push(t, url, "image", "v1")
	for ref, code := range map[string]string{
		host + "/image:v2":  "REGISTRY_NOT_FOUND",
		host + "/other:v1":  "REGISTRY_NOT_FOUND",
		"UPPER//x":          "IMAGE_REFERENCE_INVALID",
		"localhost:1/image": "REGISTRY_UNREACHABLE",
	} {
		found := run(t, pull, "--store", t.TempDir(), "--ref", ref, noAuth(t))
		if found.code() != code || found.status != 1 {
			t.Errorf("%s: %+v", ref, found.Error)
		}
	}
	for _, args := range [][]string{{}, {"--store", "x"}, {"--store", "x", "--ref", "y", "--platform", "z"}, {"--store", "x", "--ref", "y", "--mirror", "z"}, {"--none"}} {
		if found := run(t, pull, args...); found.status != 2 {
			t.Errorf("%q: status %d", args, found.status)
		}
	}
}
