package oci

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"banger.dev/host/internal/oci/fault"
)

const featureMedia = "application/vnd.devcontainers.layer.v1+tar"

// pushArtifact puts an artefact as those of dev containers into a registry, and returns its manifest.
func pushArtifact(t testing.TB, url, repository, tag string, archives ...part) part {
	t.Helper()
	config := partOf("application/vnd.devcontainers", []byte("{}"))
	manifest := partOf("application/vnd.oci.image.manifest.v1+json", jsonOf(t, map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": archives,
	}))
	image{manifest, append([]part{config}, archives...)}.push(t, url, repository, tag)
	return manifest
}

func artifactOf(t testing.TB, ref, out string) printed {
	t.Helper()
	return run(t, pullArtifact, "--store", t.TempDir(), "--ref", ref, "--out", out, noAuth(t))
}

func TestTheFilesOfAnArtefactAreWrittenToAFolder(t *testing.T) {
	url, host := startRegistry(t)
	archive := partOf(featureMedia, tarOf(t,
		entry{name: "./", kind: tar.TypeDir},
		entry{name: "./install.sh", content: "#!/bin/sh\n", mode: 0o4755, uid: 70_000},
		entry{name: "./more/deep/data", content: "x", mode: 0o600}))
	manifest := pushArtifact(t, url, "features/tool", "1", archive)
	for _, ref := range []string{host + "/features/tool:1", host + "/features/tool@" + manifest.Digest} {
		out := t.TempDir()
		found := artifactOf(t, ref, out)
		if found.status != 0 || found.Artifact == nil || found.Artifact.ManifestDigest != manifest.Digest || found.Artifact.Files != 2 {
			t.Fatalf("%s: %+v", ref, found)
		}
		for name, want := range map[string]string{"install.sh": "#!/bin/sh\n 755", "more/deep/data": "x 644"} {
			content, err := os.ReadFile(filepath.Join(out, name))
			info, _ := os.Stat(filepath.Join(out, name))
			if got := fmt.Sprintf("%s %o", content, info.Mode()); err != nil || got != want {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
	}
	other := strings.Repeat("0", 64)
	if found := artifactOf(t, host+"/features/tool@sha256:"+other, t.TempDir()); found.code() != "REGISTRY_NOT_FOUND" {
		t.Errorf("another digest: %+v", found.Error)
	}
}

func TestWhatIsNoArtefactOfFilesIsRefused(t *testing.T) {
	url, host := startRegistry(t)
	plain := partOf(featureMedia, tarOf(t, entry{name: "a"}))
	pushArtifact(t, url, "none", "1")
	pushArtifact(t, url, "two", "1", plain, partOf(featureMedia, tarOf(t, entry{name: "b"})))
	pushArtifact(t, url, "garbage", "1", partOf(featureMedia, bytes.Repeat([]byte("no archive "), 200)))
	for name, code := range map[string]string{
		"none": "REGISTRY_BAD_ANSWER", "two": "REGISTRY_BAD_ANSWER", "garbage": "IMAGE_ARCHIVE_BAD", "missing": "REGISTRY_NOT_FOUND",
	} {
		if found := artifactOf(t, host+"/"+name+":1", t.TempDir()); found.code() != code {
			t.Errorf("%s: %+v", name, found.Error)
		}
	}
}

func TestAnArtefactWritesNothingOutsideOfItsFolder(t *testing.T) {
	for name, entries := range map[string][]entry{
		"parent":       {{name: "../escaped", content: "x"}},
		"deep parent":  {{name: "a/../../escaped", content: "x"}},
		"symlink":      {{name: "link", kind: tar.TypeSymlink, content: ".."}, {name: "link/escaped", content: "x"}},
		"hard link":    {{name: "a", content: "x"}, {name: "b", kind: tar.TypeLink, content: "a"}},
		"device":       {{name: "null", kind: tar.TypeChar}},
		"fifo":         {{name: "fifo", kind: tar.TypeFifo}},
		"twice":        {{name: "a", content: "x"}, {name: "./a", content: "y"}},
		"below a file": {{name: "a", content: "x"}, {name: "a/b", content: "y"}},
	} {
		t.Run(name, func(t *testing.T) {
			parent := t.TempDir()
			out := filepath.Join(parent, "out")
			if err := os.Mkdir(out, 0o700); err != nil {
				t.Fatal(err)
			}
			_, err := unpackFiles(context.Background(), bytes.NewReader(tarOf(t, entries...)), out)
			if known, isKnown := fault.Of(err); !isKnown || known.Code != fault.ArchiveBad {
				t.Errorf("%v", err)
			}
			if left, _ := os.ReadDir(parent); len(left) != 1 {
				t.Errorf("left: %v", left)
			}
		})
	}
	absolute := t.TempDir()
	if files, err := unpackFiles(context.Background(), bytes.NewReader(tarOf(t, entry{name: "/etc/inside", content: "x"})), absolute); files != 1 || err != nil {
		t.Errorf("%d %v", files, err)
	}
}

func TestAnArtefactThatUnpacksToTooMuchIsRefused(t *testing.T) {
	var many []entry
	for at := range maxArtifactEntries + 1 {
		many = append(many, entry{name: fmt.Sprint(at)})
	}
	_, err := unpackFiles(context.Background(), bytes.NewReader(compressed(t, "+gzip", tarOf(t, many...))), t.TempDir())
	if known, _ := fault.Of(err); known == nil || known.Code != fault.TooLarge {
		t.Errorf("%v", err)
	}
	bomb := compressed(t, "+zstd", tarOf(t, entry{name: "a", content: strings.Repeat("\x00", maxArtifactBytes+1)}))
	if _, err = unpackFiles(context.Background(), bytes.NewReader(bomb), t.TempDir()); err == nil {
		t.Fatal("a bomb was unpacked")
	}
	if known, _ := fault.Of(err); known == nil || known.Code != fault.TooLarge {
		t.Errorf("%v", err)
	}
}

func FuzzUnpackFiles(f *testing.F) {
	f.Add(tarOf(f, entry{name: "a/b", content: "x"}, entry{name: "../c", content: "y"}))
	f.Add(tarOf(f, entry{name: "l", kind: tar.TypeSymlink, content: "/"}, entry{name: "l/x", content: "y"}))
	f.Fuzz(func(t *testing.T, archive []byte) {
		parent := t.TempDir()
		out := filepath.Join(parent, "out")
		if err := os.Mkdir(out, 0o700); err != nil {
			t.Fatal(err)
		}
		_, _ = unpackFiles(context.Background(), bytes.NewReader(archive), out)
		if left, _ := os.ReadDir(parent); len(left) != 1 {
			t.Fatalf("left: %v", left)
		}
	})
}
