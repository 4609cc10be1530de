package oci

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// importLayer imports a tar archive as an image, and makes its root file system.
func importLayer(t testing.TB, archive []byte, args ...string) string {
	t.Helper()
	store := t.TempDir()
	found := run(t, importImage, "--store", store, "--from", "rootfs:"+write(t, "layer.tar", archive)).ok(t)
	image, _ := rootfsOf(t, store, found.Image.ManifestDigest, args...)
	return image
}

func TestAFileOfManyNames(t *testing.T) {
	const count = 66_000
	var archive bytes.Buffer
	// Short headers: this is about names, not about bytes.
	w := tar.NewWriter(&archive)
	headers := []tar.Header{{Name: "one", Typeflag: tar.TypeReg, Size: 4, Format: tar.FormatUSTAR}}
	for at := range count {
		headers = append(headers, tar.Header{Name: fmt.Sprintf("links/%d", at), Typeflag: tar.TypeLink, Linkname: "one", Format: tar.FormatUSTAR})
	}
	for at := range headers {
		if err := w.WriteHeader(&headers[at]); err != nil {
			t.Fatal(err)
		}
		if at == 0 {
			if _, err := io.WriteString(w, "same"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	tree := mounted(t, importLayer(t, archive.Bytes(), "--free", "0"))
	if names, err := os.ReadDir(filepath.Join(tree, "links")); err != nil || len(names) != count {
		t.Errorf("%d %v", len(names), err)
	}
	inodes := map[uint64]uint64{}
	// Folders have no index, so that each look into one of this size takes a while.
	for at := 0; at < count; at += 499 {
		path := filepath.Join(tree, "links", strconv.Itoa(at))
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		stat := info.Sys().(*syscall.Stat_t)
		if content, err := os.ReadFile(path); err != nil || string(content) != "same" {
			t.Errorf("%s: %q %v", path, content, err)
		}
		inodes[stat.Ino] = uint64(stat.Nlink)
	}
	if len(inodes) != 2 {
		t.Errorf("inodes and their names: %v", inodes)
	}
}

func TestFilesThatGNUTarWroteSparseHaveHoles(t *testing.T) {
	dir := t.TempDir()
	file, err := os.Create(filepath.Join(dir, "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, at := range []int64{0, 5<<20 + 123, 40 << 20, 64<<20 - 3} {
		if _, err := file.WriteAt([]byte("xyz"), at); err != nil {
			t.Fatal(err)
		}
	}
	for _, format := range []string{"gnu", "pax", "posix --sparse-version=0.0", "posix --sparse-version=0.1"} {
		args := append([]string{"-C", dir, "--sparse", "-c"}, strings.Fields("--format="+format)...)
		archive, err := exec.Command("tar", append(args, "sparse")...).Output()
		if err != nil {
			t.Skipf("tar: %v", err)
		}
		at := filepath.Join(mounted(t, importLayer(t, archive, "--free", "0")), "sparse")
		requireSameFile(t, at, file.Name())
		info, err := os.Stat(at)
		if err != nil {
			t.Fatal(err)
		}
		if used := info.Sys().(*syscall.Stat_t).Blocks * 512; used > 2<<20 {
			t.Errorf("%s: %d bytes are in use", format, used)
		}
	}
}

func TestTheLimitsAreThoseOfTheOptions(t *testing.T) {
	store := t.TempDir()
	archive := tarOf(t, entry{name: "a", content: strings.Repeat("x", 5000)}, entry{name: "b"}, entry{name: "c"})
	found := run(t, importImage, "--store", store, "--from", "rootfs:"+write(t, "x", archive)).ok(t)
	out := filepath.Join(t.TempDir(), "rootfs")
	for _, limit := range []string{"--max-bytes=4999", "--max-entries=2"} {
		refused := run(t, makeRootfs, "--store", store, "--manifest", found.Image.ManifestDigest, "--out", out, limit)
		if refused.code() != "IMAGE_TOO_LARGE" {
			t.Errorf("%s: %+v", limit, refused.Error)
		}
	}
	if rest, err := os.ReadDir(filepath.Dir(out)); err != nil || len(rest) > 0 {
		t.Errorf("left: %v %v", rest, err)
	}
	run(t, makeRootfs, "--store", store, "--manifest", found.Image.ManifestDigest, "--out", out, "--max-entries=3").ok(t)
}

func TestARootFileSystemCanGrow(t *testing.T) {
	image := importLayer(t, tarOf(t, entry{name: "a", content: "x"}))
	info, err := os.Stat(image)
	if err != nil || info.Size() < 512<<20 {
		t.Fatalf("%d %v", info.Size(), err)
	}
	out, err := exec.Command("/usr/sbin/dumpe2fs", "-h", image).Output()
	if err != nil {
		t.Skipf("dumpe2fs: %v", err)
	}
	for _, want := range []string{"Filesystem volume name:   root", "has_journal", "metadata_csum", "Total journal size:       16M"} {
		if !bytes.Contains(out, []byte(want)) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	for _, size := range []string{"3G", "20G"} {
		if out, err := exec.Command("/usr/sbin/resize2fs", image, size).CombinedOutput(); err != nil {
			t.Errorf("%s: %v %s", size, err, out)
		}
		requireClean(t, image)
	}
}

func TestAStoreThatLacksAPartIsDamaged(t *testing.T) {
	made := simple(t)
	for at, missing := range append(made.parts, made.manifest) {
		store := t.TempDir()
		run(t, importImage, "--store", store, "--from", "oci:"+made.write(t)).ok(t)
		path := filepath.Join(store, "blobs/sha256", strings.TrimPrefix(missing.Digest, "sha256:"))
		for what, damage := range map[string]func() error{
			"other content": func() error { return os.WriteFile(path, []byte("other"), 0o600) },
			"missing":       func() error { return os.Remove(path) },
		} {
			if err := damage(); err != nil {
				t.Fatal(err)
			}
			found := run(t, makeRootfs, "--store", store, "--manifest", made.manifest.Digest, "--out", filepath.Join(t.TempDir(), "x"))
			if code := found.code(); code != "IMAGE_DAMAGED" && (code != "IMAGE_ARCHIVE_BAD" || what == "missing") {
				t.Errorf("%d, %s: %+v", at, what, found.Error)
			}
		}
	}
}

func TestACommandThatIsStoppedLeavesNothing(t *testing.T) {
	store := t.TempDir()
	var archive bytes.Buffer
	archive.Write(tarOf(t, entry{name: "a", content: strings.Repeat("x", 1<<20)}))
	found := run(t, importImage, "--store", store, "--from", "rootfs:"+write(t, "x", archive.Bytes())).ok(t)
	out := filepath.Join(t.TempDir(), "rootfs")
	in, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := untilStopped(in)
	defer stop()
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	<-ctx.Done()
	stopped := runIn(t, ctx, makeRootfs, "--store", store, "--manifest", found.Image.ManifestDigest, "--out", out)
	if stopped.status != 143 || stopped.Error != nil || stopped.Rootfs != nil {
		t.Errorf("%+v", stopped)
	}
	if rest, err := os.ReadDir(filepath.Dir(out)); err != nil || len(rest) > 0 {
		t.Errorf("left: %v %v", rest, err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	ctx, stop = untilStopped(null)
	defer stop()
	if _, err := io.Copy(io.Discard, null); err != nil || ctx.Err() != nil {
		t.Errorf("an empty standard input ends it: %v", ctx.Err())
	}
}
