package oci

import (
	"archive/tar"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// write writes a file and returns its path.
func write(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// plainTree is what simple's layers unpack to.
func plainTree(t testing.TB, layout string) map[string]string {
	t.Helper()
	return treeOf(t, unpackedTree(t, "oci:"+layout), time.Now())
}

func TestEveryKindOfArchiveSkopeoWritesIsTheSameImage(t *testing.T) {
	skopeo, err := exec.LookPath("skopeo")
	if err != nil {
		t.Skip("skopeo is not installed")
	}
	// Old versions of it know no zstd.
	layout := simpleWith(t, "+gzip").write(t)
	want := plainTree(t, layout)
	_, host := startRegistry(t)
	dir := t.TempDir()
	for to, from := range map[string]string{
		"oci:" + dir + "/layout:v1":                              "oci:" + dir + "/layout",
		"oci-archive:" + dir + "/oci.tar:v1":                     "oci-archive:" + dir + "/oci.tar",
		"docker-archive:" + dir + "/docker.tar:some.example/x:1": "docker-archive:" + dir + "/docker.tar",
		"docker://" + host + "/x:1":                              host + "/x:1",
	} {
		if out, err := exec.Command(skopeo, "--insecure-policy", "copy", "--dest-tls-verify=false", "oci:"+layout+":v1", to).CombinedOutput(); err != nil {
			t.Fatalf("skopeo %s: %v %s", to, err, out)
		}
		store := t.TempDir()
		var found printed
		if strings.HasPrefix(to, "docker://") {
			found = run(t, pull, "--store", store, "--ref", from, noAuth(t)).ok(t)
		} else {
			found = run(t, importImage, "--store", store, "--from", from).ok(t)
		}
		if strings.HasPrefix(to, "docker-archive") && found.Image.Reference != "some.example/x:1" {
			t.Errorf("%s: the name is %q", to, found.Image.Reference)
		}
		if user := found.Image.Config["user"]; user != "1000:1000" {
			t.Errorf("%s: %v", to, found.Image.Config)
		}
		image, _ := rootfsOf(t, store, found.Image.ManifestDigest, "--free", "0")
		requireSameTree(t, treeOf(t, mounted(t, image), time.Now()), want)
		requireNothingPartial(t, store)
	}
}

func requireNothingPartial(t testing.TB, store string) {
	t.Helper()
	if rest, err := os.ReadDir(filepath.Join(store, "partial")); err != nil || len(rest) > 0 {
		t.Errorf("partial: %v %v", rest, err)
	}
}

func TestATarArchiveBecomesAnImage(t *testing.T) {
	plain := tarOf(t, entry{name: "etc/", kind: tar.TypeDir}, entry{name: "etc/x", content: "1"})
	for _, compression := range []string{"", "+gzip", "+zstd"} {
		store := t.TempDir()
		archive := write(t, "root:fs.tar", compressed(t, compression, plain))
		found := run(t, importImage, "--store", store, "--from", "rootfs:"+archive, "--platform", "linux/arm64").ok(t)
		if found.Image.Platform != "linux/arm64" || found.Image.Reference != "" || len(found.Image.Config) != 0 {
			t.Errorf("%+v", found.Image)
		}
		image, _ := rootfsOf(t, store, found.Image.ManifestDigest, "--free", "0")
		requireTree(t, mounted(t, image), []string{"etc", "etc/x 1 755 1"})
		requireNothingPartial(t, store)
	}
}

func TestAFolderBecomesAnImage(t *testing.T) {
	dir := t.TempDir()
	for _, err := range []error{
		os.MkdirAll(filepath.Join(dir, "a/b"), 0o750), os.WriteFile(filepath.Join(dir, "a/b/c"), []byte("1"), 0o640),
		os.Link(filepath.Join(dir, "a/b/c"), filepath.Join(dir, "z")), os.Symlink("a", filepath.Join(dir, "link")),
		os.Chtimes(filepath.Join(dir, "a"), modified, modified),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	socket, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	var digests []string
	for range 2 {
		store := t.TempDir()
		found := run(t, importImage, "--store", store, "--from", "dir:"+dir).ok(t)
		image, _ := rootfsOf(t, store, found.Image.ManifestDigest, "--free", "0")
		digests = append(digests, found.Image.ManifestDigest)
		tree, want := treeOf(t, mounted(t, image), time.Now()), treeOf(t, dir, time.Now().Add(time.Hour))
		delete(want, "socket")
		requireSameTree(t, tree, want)
	}
	if digests[0] != digests[1] {
		t.Errorf("the same folder is two images: %q", digests)
	}
}

func TestAnOldDockerArchiveHasSymlinksForItsLayers(t *testing.T) {
	plain := tarOf(t, entry{name: "x", content: "1"})
	config := fmt.Sprintf(`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[%q,%q]}}`, digestOf(plain), digestOf(plain))
	entries := []entry{
		{name: "aa/layer.tar", content: string(plain)},
		{name: "bb/layer.tar", kind: tar.TypeSymlink, content: "../aa/layer.tar"},
		{name: "config.json", content: config},
		{name: "manifest.json", content: `[{"Config":"config.json","RepoTags":["busybox:latest"],"Layers":["aa/layer.tar","bb/layer.tar"]}]`},
	}
	for _, compression := range []string{"", "+gzip"} {
		store := t.TempDir()
		archive := write(t, "docker.tar", compressed(t, compression, tarOf(t, entries...)))
		found := run(t, importImage, "--store", store, "--from", "docker-archive:"+archive).ok(t)
		if found.Image.Reference != "docker.io/library/busybox:latest" || len(found.Image.Layers) != 2 {
			t.Errorf("%+v", found.Image)
		}
		image, _ := rootfsOf(t, store, found.Image.ManifestDigest, "--free", "0")
		requireTree(t, mounted(t, image), []string{"x 1 755 1"})
	}
}

func TestOneOfSeveralImagesIsNamed(t *testing.T) {
	config := `{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}`
	archive := write(t, "two.tar", tarOf(t, entry{name: "c", content: config}, entry{name: "manifest.json",
		content: `[{"Config":"c","RepoTags":["a.example/x:1"]},{"Config":"c","RepoTags":["a.example/y:1"]}]`}))
	several := run(t, importImage, "--store", t.TempDir(), "--from", "docker-archive:"+archive)
	if several.code() != "IMAGE_ARCHIVE_BAD" || !strings.Contains(several.Error.Message, "a.example/x:1, a.example/y:1") {
		t.Errorf("%+v", several.Error)
	}
	found := run(t, importImage, "--store", t.TempDir(), "--from", "docker-archive:"+archive+":a.example/y:1")
	if found.ok(t).Image.Reference != "a.example/y:1" {
		t.Errorf("%+v", found.Image)
	}
	if none := run(t, importImage, "--store", t.TempDir(), "--from", "docker-archive:"+archive+":z"); none.code() != "IMAGE_ARCHIVE_BAD" {
		t.Errorf("%+v", none.Error)
	}
}

func TestBadArchivesAreRefusedAndLeaveNothing(t *testing.T) {
	docker := func(entries ...entry) []byte { return tarOf(t, entries...) }
	good := simple(t)
	broken := func(change func(image) image) string { return "oci:" + change(good).write(t) }
	for what, from := range map[string]string{
		"missing":         "oci:" + t.TempDir() + "/none",
		"empty folder":    "oci:" + t.TempDir(),
		"no archive":      "oci-archive:" + write(t, "x", []byte("no archive at all, only text")),
		"folder as file":  "rootfs:" + t.TempDir(),
		"file as folder":  "dir:" + write(t, "x", nil),
		"text":            "rootfs:" + write(t, "x", []byte(strings.Repeat("text", 1000))),
		"cut":             "rootfs:" + write(t, "x", compressed(t, "+gzip", docker(entry{name: "a", content: strings.Repeat("x", 5000)}))[:60]),
		"xz":              "rootfs:" + write(t, "x", []byte("\xFD7zXZ\x00\x00\x04")),
		"no manifest":     "docker-archive:" + write(t, "x", docker(entry{name: "a"})),
		"odd manifest":    "docker-archive:" + write(t, "x", docker(entry{name: "manifest.json", content: "{}"})),
		"outside":         "docker-archive:" + write(t, "x", docker(entry{name: "manifest.json", content: `[{"Config":"../../../etc/passwd"}]`})),
		"link outside":    "docker-archive:" + write(t, "x", docker(entry{name: "c", kind: tar.TypeSymlink, content: "/etc/passwd"}, entry{name: "manifest.json", content: `[{"Config":"c"}]`})),
		"loop":            "docker-archive:" + write(t, "x", docker(entry{name: "c", kind: tar.TypeSymlink, content: "c"}, entry{name: "manifest.json", content: `[{"Config":"c"}]`})),
		"other layer":     broken(func(i image) image { i.parts[1].content = append([]byte("x"), i.parts[1].content[1:]...); return i }),
		"shorter layer":   broken(func(i image) image { i.parts[1].content = i.parts[1].content[1:]; return i }),
		"other manifest":  broken(func(i image) image { i.manifest.content = append([]byte(" "), i.manifest.content...); return i }),
		"missing layer":   broken(func(i image) image { i.parts = i.parts[:2]; return i }),
		"layer a symlink": "oci:" + withSymlink(t, simple(t)),
	} {
		store := t.TempDir()
		found := run(t, importImage, "--store", store, "--from", from)
		if found.code() != "IMAGE_ARCHIVE_BAD" {
			t.Errorf("%s: %+v", what, found.Error)
		}
		requireNoManifest(t, store, good)
		good = simple(t)
	}
}

func requireNoManifest(t testing.TB, store string, made image) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(store, "blobs/sha256", strings.TrimPrefix(made.manifest.Digest, "sha256:"))); err == nil {
		t.Error("the store has a manifest")
	}
}

// withSymlink is a layout whose layer is a symlink to a file of the host.
func withSymlink(t testing.TB, made image) string {
	t.Helper()
	layout := made.write(t)
	at := filepath.Join(layout, "blobs/sha256", strings.TrimPrefix(made.parts[1].Digest, "sha256:"))
	outside := write(t, "outside", made.parts[1].content)
	if err := os.Remove(at); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, at); err != nil {
		t.Fatal(err)
	}
	return layout
}
