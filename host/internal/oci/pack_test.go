package oci

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"banger.dev/host/internal/overlay"
)

// base is an image with something of every kind.
func baseImage(t testing.TB) image {
	t.Helper()
	return imageOf(t, "amd64", layerOf(t, "+gzip",
		entry{name: "bin/", kind: tar.TypeDir},
		entry{name: "bin/sh", content: strings.Repeat("program ", 4000), mode: 0o4755},
		entry{name: "bin/again", kind: tar.TypeLink, content: "bin/sh"},
		entry{name: "etc/", kind: tar.TypeDir},
		entry{name: "etc/hostname", content: "image\n", mode: 0o644},
		entry{name: "etc/hosts", content: "127.0.0.1 localhost\n", mode: 0o644},
		entry{name: "etc/environment", content: "A=b\n", mode: 0o644},
		entry{name: "etc/passwd", content: "root\n", mode: 0o644, uid: 70_000},
		entry{name: "etc/ssh/", kind: tar.TypeDir},
		entry{name: "lib", kind: tar.TypeSymlink, content: "usr/lib"},
		entry{name: "srv/gone/", kind: tar.TypeDir},
		entry{name: "srv/gone/file", content: "gone"},
		entry{name: "srv/becomes", content: "a folder"},
		entry{name: "srv/large", content: strings.Repeat("x", 3<<20)},
		entry{name: "srv/caps", content: "c", xattrs: map[string]string{
			"security.capability": "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", "user.a": "b"}},
		entry{name: "srv/pipe", kind: tar.TypeFifo},
		entry{name: "tmp/", kind: tar.TypeDir, mode: 0o1777},
	))
}

func TestARootFileSystemBecomesAnImageOfOneLayer(t *testing.T) {
	made := baseImage(t)
	rootfs, _ := rootfsOf(t, stored(t, made), made.manifest.Digest, "--free", "0")
	config := write(t, "config.json", []byte(`{"env":["A=b"],"cmd":["sh"],"exposedPorts":["80/tcp"]}`))
	store := t.TempDir()
	packed := run(t, packImage, "--store", store, "--rootfs", rootfs, "--config", config, "--platform", "linux/arm64").ok(t).Image
	if len(packed.Layers) != 1 || packed.Platform != "linux/arm64" || packed.Config["cmd"] == nil {
		t.Errorf("%+v", packed)
	}
	requireNothingPartial(t, store)
	again, _ := rootfsOf(t, store, packed.ManifestDigest, "--free", "0")
	want := treeOf(t, mounted(t, rootfs), time.Now())
	requireSameTree(t, treeOf(t, mounted(t, again), time.Now()), want)
}

// guestOf lets change write to a copy of a root file system, as a guest does, and returns the file with what
// has changed: as it is after a power cut, when isCut is set.
func guestOf(t testing.TB, rootfs string, isCut bool, change func(top string)) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount an image")
	}
	changed := filepath.Join(t.TempDir(), "changed")
	must(t, "cp", "--sparse=always", rootfs, changed)
	top := t.TempDir()
	if out, err := exec.Command("mount", "-o", "loop", changed, top).CombinedOutput(); err != nil {
		t.Skipf("mount: %v %s", err, out)
	}
	isMounted := true
	unmount := func() {
		if isMounted {
			isMounted = false
			must(t, "umount", top)
		}
	}
	t.Cleanup(unmount)
	change(top)
	if !isCut {
		unmount()
		return changed
	}
	must(t, "sync", "-f", top)
	cut := filepath.Join(t.TempDir(), "cut")
	must(t, "cp", "--sparse=always", changed, cut)
	unmount()
	return cut
}

func must(t testing.TB, argv ...string) {
	t.Helper()
	if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%q: %v %s", argv, err, out)
	}
}

// overlayOf is the overlay drive of a guest that has changed its root: a store as the kernel writes it.
func overlayOf(t testing.TB, rootfs, changed string) string {
	t.Helper()
	const chunk = 4096
	before, err := os.ReadFile(rootfs)
	if err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(changed)
	if err != nil || len(after) != len(before) {
		t.Fatalf("%d bytes, %d before: %v", len(after), len(before), err)
	}
	path := filepath.Join(t.TempDir(), "overlay")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	put := func(at int64, values ...uint64) {
		content := []byte{}
		for _, value := range values {
			content = binary.LittleEndian.AppendUint64(content, value)
		}
		if _, err := out.WriteAt(content, at); err != nil {
			t.Fatal(err)
		}
	}
	put(0, 0x70416E53|1<<32, 1|8<<32)
	count := int64(0)
	for at := 0; at < len(before); at += chunk {
		if bytes.Equal(before[at:at+chunk], after[at:at+chunk]) {
			continue
		}
		table := 1 + count/256*257
		place := table + 1 + count%256
		put(table*chunk+count%256*16, uint64(at/chunk), uint64(place))
		if _, err := out.WriteAt(after[at:at+chunk], place*chunk); err != nil {
			t.Fatal(err)
		}
		count++
	}
	if err := out.Truncate(overlay.StoreBytes(int64(len(before)))); err != nil {
		t.Fatal(err)
	}
	return path
}

// use does to a root what users and the host do.
func use(t testing.TB, top string) {
	t.Helper()
	in := func(name string) string { return filepath.Join(top, name) }
	for _, err := range []error{
		os.WriteFile(in("etc/passwd"), []byte("root\nuser\n"), 0o644),
		os.WriteFile(in("etc/hostname"), []byte("web\n"), 0o644),
		os.WriteFile(in("etc/machine-id"), []byte("0123\n"), 0o444),
		os.WriteFile(in("etc/hosts"), []byte("127.0.0.1 localhost\n127.0.1.1\tweb.vm web\n"), 0o644),
		os.WriteFile(in("etc/environment"), []byte("# Written by banger, at every start: begin\nhttp_proxy=http://user:secret@proxy\n# Written by banger: end\nA=b\n"), 0o600),
		os.WriteFile(in("etc/resolv.conf"), []byte("# Written by banger, at every start.\nnameserver 10.0.2.3\n"), 0o644),
		os.WriteFile(in("etc/ssh/ssh_host_ed25519_key"), []byte("secret"), 0o600),
		os.WriteFile(in("etc/ssh/sshd_config"), []byte("Port 22\n"), 0o600),
		os.MkdirAll(in("opt/keys"), 0o700),
		os.WriteFile(in("opt/keys/token"), []byte("secret"), 0o600),
		os.WriteFile(in("opt/own"), []byte("own"), 0o600),
		os.RemoveAll(in("srv/gone")),
		os.Remove(in("srv/becomes")),
		os.Mkdir(in("srv/becomes"), 0o750),
		os.WriteFile(in("srv/becomes/file"), []byte("inside"), 0o640),
		os.Link(in("srv/becomes/file"), in("srv/link")),
		os.Chown(in("srv/link"), 1000, 1001),
		os.Symlink("large", in("srv/short")),
		os.WriteFile(in("tmp/left"), []byte("passing"), 0o600),
		os.Remove(in("bin/again")),
		os.Link(in("bin/sh"), in("bin/third")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.OpenFile(in("srv/large"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = file.WriteAt([]byte("changed"), 1<<20)
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
}

// committed is what use leaves of a root when what belongs to one machine is gone, in a tree of the base.
func committed(t testing.TB, tree, base map[string]string) map[string]string {
	t.Helper()
	for _, name := range []string{"etc/machine-id", "etc/resolv.conf", "etc/ssh/ssh_host_ed25519_key", "opt/keys/token", "tmp/left"} {
		if tree[name] == "" {
			t.Fatalf("%q is not there", name)
		}
		delete(tree, name)
	}
	// e2fsck makes it.
	delete(tree, "lost+found")
	for _, name := range []string{"etc/hostname", "etc/hosts", "etc/environment"} {
		tree[name] = base[name]
	}
	return tree
}

func TestTheRootOfAVmBecomesALayerOnItsImage(t *testing.T) {
	made := baseImage(t)
	for what, isCut := range map[string]bool{"stopped": false, "cut off": true} {
		store := stored(t, made)
		rootfs, _ := rootfsOf(t, store, made.manifest.Digest, "--free", "0")
		changed := guestOf(t, rootfs, isCut, func(top string) { use(t, top) })
		args := []string{"--store", store, "--rootfs", rootfs, "--overlay", overlayOf(t, rootfs, changed), "--leave-out", "/opt/keys/token"}
		onBase := run(t, packImage, append(args, "--parent", made.manifest.Digest)...).ok(t)
		alone := run(t, packImage, args...).ok(t)
		if len(onBase.Image.Layers) != 2 || len(alone.Image.Layers) != 1 || onBase.Image.Config["cmd"] == nil {
			t.Errorf("%s: %+v, %+v", what, onBase.Image, alone.Image)
		}
		for _, path := range []string{"/etc/machine-id", "/etc/ssh/ssh_host_ed25519_key", "/opt/keys/token", "/tmp/*", "/etc/environment"} {
			if !slices.Contains(onBase.PackedLeftOut, path) {
				t.Errorf("%s: %s is not in %q", what, path, onBase.PackedLeftOut)
			}
		}
		requireNothingPartial(t, store)
		if isCut {
			must(t, "sh", "-c", "/usr/sbin/e2fsck -fp "+changed+" >/dev/null 2>&1; test $? -lt 4")
		}
		want := committed(t, treeOf(t, mounted(t, changed), time.Now()), treeOf(t, mounted(t, rootfs), time.Now()))
		for _, found := range []printed{onBase, alone} {
			again, _ := rootfsOf(t, store, found.Image.ManifestDigest, "--free", "0")
			requireSameTree(t, treeOf(t, mounted(t, again), time.Now()), want)
			requireNoSecret(t, again)
		}
	}
}

// requireNoSecret fails when a file has the word anywhere, also in blocks that no file has.
func requireNoSecret(t testing.TB, path string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil || bytes.Contains(content, []byte("secret")) {
		t.Errorf("%s has a secret: %v", path, err)
	}
}

func TestALayerOnItsImageHasOnlyWhatChanged(t *testing.T) {
	made := baseImage(t)
	store := stored(t, made)
	rootfs, _ := rootfsOf(t, store, made.manifest.Digest, "--free", "0")
	changed := guestOf(t, rootfs, false, func(top string) {
		if err := os.WriteFile(filepath.Join(top, "srv/new"), []byte("new"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(top, "srv/pipe")); err != nil {
			t.Fatal(err)
		}
	})
	found := run(t, packImage, "--store", store, "--rootfs", rootfs, "--overlay", overlayOf(t, rootfs, changed), "--parent", made.manifest.Digest).ok(t)
	layer := found.Image.Layers[1].(map[string]any)["digest"].(string)
	names := namesIn(t, filepath.Join(store, "blobs/sha256", strings.TrimPrefix(layer, "sha256:")))
	if want := []string{"srv/", "srv/new", "srv/.wh.pipe"}; !slices.Equal(names, want) {
		t.Errorf("found %q", names)
	}
}

func namesIn(t testing.TB, layer string) []string {
	t.Helper()
	out, err := exec.Command("tar", "-tzf", layer).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

func TestANameThatWouldDeleteAnotherFileIsLeftOut(t *testing.T) {
	made := baseImage(t)
	store := stored(t, made)
	rootfs, _ := rootfsOf(t, store, made.manifest.Digest, "--free", "0")
	changed := guestOf(t, rootfs, false, func(top string) {
		for _, name := range []string{".wh.passwd", ".wh..wh..opq"} {
			if err := os.WriteFile(filepath.Join(top, "etc", name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	})
	args := []string{"--store", store, "--rootfs", rootfs, "--overlay", overlayOf(t, rootfs, changed)}
	for _, more := range [][]string{{"--parent", made.manifest.Digest}, nil} {
		found := run(t, packImage, append(args, more...)...).ok(t)
		if !slices.Contains(found.PackedLeftOut, "/etc/.wh.passwd") || !slices.Contains(found.PackedLeftOut, "/etc/.wh..wh..opq") {
			t.Errorf("left out %q", found.PackedLeftOut)
		}
		again, _ := rootfsOf(t, store, found.Image.ManifestDigest, "--free", "0")
		if _, err := os.Stat(filepath.Join(mounted(t, again), "etc/passwd")); err != nil {
			t.Error(err)
		}
	}
}

func TestAVmThatHasChangedNothingIsAnEmptyLayer(t *testing.T) {
	made := baseImage(t)
	store := stored(t, made)
	rootfs, _ := rootfsOf(t, store, made.manifest.Digest, "--free", "0")
	blank := filepath.Join(t.TempDir(), "overlay")
	info, err := os.Stat(rootfs)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(blank, nil, 0o600), os.Truncate(blank, overlay.StoreBytes(info.Size()))); err != nil {
		t.Fatal(err)
	}
	found := run(t, packImage, "--store", store, "--rootfs", rootfs, "--overlay", blank, "--parent", made.manifest.Digest).ok(t)
	if found.LayerEntries != 0 || len(found.Image.Layers) != 2 {
		t.Errorf("%d entries: %+v", found.LayerEntries, found.Image)
	}
}

func TestAFileSystemThatIsNoneOrTooLargeIsRefused(t *testing.T) {
	made := baseImage(t)
	rootfs, _ := rootfsOf(t, stored(t, made), made.manifest.Digest, "--free", "0")
	store := t.TempDir()
	for what, one := range map[string]struct {
		args []string
		code string
	}{
		"no file system": {[]string{"--rootfs", write(t, "zeros", make([]byte, 1<<20))}, "IMAGE_DAMAGED"},
		"no overlay":     {[]string{"--rootfs", rootfs, "--overlay", write(t, "short", make([]byte, 4096))}, "IMAGE_DAMAGED"},
		"many files":     {[]string{"--rootfs", rootfs, "--max-entries", "5"}, "IMAGE_TOO_LARGE"},
		"many bytes":     {[]string{"--rootfs", rootfs, "--max-bytes", "1000000"}, "IMAGE_TOO_LARGE"},
	} {
		if found := run(t, packImage, append([]string{"--store", store}, one.args...)...); found.code() != one.code {
			t.Errorf("%s: %+v", what, found)
		}
	}
	requireNothingPartial(t, store)
}

// Whatever a guest writes to its file system, packing it ends, with a layer or with an error that has a code.
func TestADamagedFileSystemIsPackedOrRefused(t *testing.T) {
	made := baseImage(t)
	rootfs, _ := rootfsOf(t, stored(t, made), made.manifest.Digest, "--free", "0")
	whole, err := os.ReadFile(rootfs)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewSource(7))
	broken := filepath.Join(t.TempDir(), "broken")
	for range 30 {
		damaged := bytes.Clone(whole)
		for range 1 + r.Intn(600) {
			damaged[r.Intn(min(len(damaged), 3<<20))] = byte(r.Int())
		}
		if err := os.WriteFile(broken, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		found := run(t, packImage, "--store", t.TempDir(), "--rootfs", broken)
		if found.status != 0 && found.code() != "IMAGE_DAMAGED" && found.code() != "IMAGE_TOO_LARGE" {
			t.Errorf("%+v", found.Error)
		}
	}
}
