package ext4

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"path"
	"strings"
	"testing"
	"time"
)

func randomTree(r *rand.Rand, count int) map[string]file {
	times := []time.Time{made, time.Unix(-1, 999_999_999), time.Unix(-86400*365*20, 5), time.Unix(5_000_000_000, 123_456_789), time.Unix(0, 1)}
	folders := []string{"."}
	tree := map[string]file{".": {kind: tar.TypeDir, mode: 0o700, modified: made}}
	for range count {
		name := path.Join(folders[r.Intn(len(folders))], strings.Repeat("n\xff é"[r.Intn(4):][:1], r.Intn(100))+fmt.Sprint(r.Intn(1_000_000)))
		if _, isThere := tree[name]; isThere {
			continue
		}
		f := file{kind: tar.TypeReg, mode: int64(r.Intn(0o10000)), uid: r.Intn(3) * 70_000, gid: r.Intn(2), modified: times[r.Intn(len(times))]}
		switch r.Intn(10) {
		case 0:
			f.kind = tar.TypeDir
			folders = append(folders, name)
		case 1:
			f.kind, f.content, f.mode = tar.TypeSymlink, strings.Repeat("t", 1+r.Intn(120)), 0o777
		case 2:
			f.kind = tar.TypeFifo
		case 3:
			f.content = strings.Repeat("\x00", r.Intn(600_000))
		default:
			content := make([]byte, r.Intn(20_000))
			r.Read(content)
			f.content = string(content)
		}
		if r.Intn(10) == 0 {
			f.xattrs = map[string]string{"user.a": strings.Repeat("v", r.Intn(200)), "security.capability": "\x01\x02\x03"}
		}
		tree[name] = f
	}
	return tree
}

func TestRandomTreesAreInTheImageAsTheyWereSent(t *testing.T) {
	for seed := range int64(6) {
		r := rand.New(rand.NewSource(seed))
		want := randomTree(r, 1+r.Intn(600))
		archive := tarOf(t, want)
		image, err := makeImage(t, []int64{64, 200, 8192}[seed%3]*mib, func(w *Writer) error { return w.AddTar(bytes.NewReader(archive), ".") })
		if err != nil {
			t.Fatal(err)
		}
		requireClean(t, image)
		requireSame(t, treeOf(t, image), want)
	}
}

func TestTheSameInputGivesTheSameImage(t *testing.T) {
	archive := tarOf(t, randomTree(rand.New(rand.NewSource(1)), 300))
	var sums [2][32]byte
	for at := range sums {
		image, err := makeImage(t, 64*mib, func(w *Writer) error { return w.AddTar(bytes.NewReader(archive), "repo") })
		if err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(image)
		if err != nil {
			t.Fatal(err)
		}
		sums[at] = sha256.Sum256(content)
	}
	if sums[0] != sums[1] {
		t.Error("two images of one archive differ")
	}
}

func TestFilesCanHaveSeveralNames(t *testing.T) {
	image, err := makeImage(t, 16*mib, func(w *Writer) error {
		return w.AddTar(bytes.NewReader(tarOf(t, map[string]file{
			"a":   {kind: tar.TypeReg, content: "same"},
			"b/c": {kind: tar.TypeLink, content: "a"},
			"d":   {kind: tar.TypeLink, content: "b/c"},
		})), "repo")
	})
	if err != nil {
		t.Fatal(err)
	}
	requireClean(t, image)
	tree := treeOf(t, image)
	for _, name := range []string{"repo/a", "repo/b/c", "repo/d"} {
		if tree[name].content != "same" {
			t.Errorf("%s: %s", name, tree[name])
		}
	}
	if f := tree["repo/b"]; f.kind != tar.TypeDir || f.mode != 0o755 || !f.modified.Equal(made) {
		t.Errorf("a folder without an entry is %s", f)
	}
}

func TestAFileLargerThanAGroupIsWhole(t *testing.T) {
	// Each MiB begins with its number; the rest is zeros.
	const size = 600*mib + 1
	content := func() io.Reader {
		var parts []io.Reader
		for at := range size / mib {
			parts = append(parts, strings.NewReader(fmt.Sprintf("%08d", at)), io.LimitReader(zeroReader{}, mib-8))
		}
		return io.MultiReader(append(parts, strings.NewReader("x"))...)
	}
	image, err := makeImage(t, 2048*mib, func(w *Writer) error {
		return w.File("large", Attributes{Mode: 0o644, Modified: made}, size, content())
	})
	if err != nil {
		t.Fatal(err)
	}
	requireClean(t, image)
	f, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	i, err := OpenImage(f)
	if err != nil {
		t.Fatal(err)
	}
	number, err := i.find(inodeRoot, "large")
	if err != nil {
		t.Fatal(err)
	}
	inode, err := i.inodeAt(number)
	if err != nil {
		t.Fatal(err)
	}
	found, err := i.contentOf(inode)
	if err != nil {
		t.Fatal(err)
	}
	a, b := sha256.New(), sha256.New()
	_, err = io.Copy(a, found)
	_, again := io.Copy(b, content())
	if err := errors.Join(err, again); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Sum(nil), b.Sum(nil)) {
		t.Error("the content is another one")
	}
}

func TestAFolderOfManyNamesIsWhole(t *testing.T) {
	image, err := makeImage(t, 512*mib, func(w *Writer) error {
		for at := range 30_000 {
			if err := w.Symlink(fmt.Sprintf("all/%d", at), Attributes{Modified: made}, "x"); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	requireClean(t, image)
	if count := len(treeOf(t, image)); count != 30_002 {
		t.Errorf("%d names", count)
	}
}

func TestEverySizeOfDiskIsClean(t *testing.T) {
	for _, size := range []int64{16 * mib, 17*mib + 4096, 128 * mib, 128*mib + 4096, 2048*mib + 200*4096, 16*128*mib + 2*mib, 16*128*mib + 3*mib, 200_000 * mib} {
		image, err := makeImage(t, size, func(w *Writer) error { return w.Folder(".", Attributes{Mode: 0o700}) })
		if err != nil {
			t.Fatalf("%d: %v", size, err)
		}
		requireClean(t, image)
	}
}

func TestWhatCannotBeKeptIsRefused(t *testing.T) {
	entries := map[string]map[string]file{
		"absolute":   {"/etc/passwd": {kind: tar.TypeReg}},
		"outside":    {"a/../../b": {kind: tar.TypeReg}},
		"in a file":  {"a": {kind: tar.TypeReg}, "a/b": {kind: tar.TypeReg}},
		"in a link":  {"a": {kind: tar.TypeSymlink, content: "/"}, "a/b": {kind: tar.TypeReg}},
		"a device":   {"a": {kind: tar.TypeChar}},
		"long name":  {strings.Repeat("n", 256): {kind: tar.TypeReg}},
		"wild link":  {"a": {kind: tar.TypeLink, content: "b"}},
		"of folder":  {"a": {kind: tar.TypeDir}, "b": {kind: tar.TypeLink, content: "a"}},
		"big xattr":  {"a": {kind: tar.TypeReg, xattrs: map[string]string{"user.a": strings.Repeat("v", 5000)}}},
		"odd xattr":  {"a": {kind: tar.TypeReg, xattrs: map[string]string{"system.posix_acl_access": "x"}}},
		"no target":  {"a": {kind: tar.TypeSymlink}},
		"far target": {"a": {kind: tar.TypeSymlink, content: strings.Repeat("t", 4096)}},
	}
	for what, tree := range entries {
		archive := tarOf(t, tree)
		if _, err := makeImage(t, 16*mib, func(w *Writer) error { return w.AddTar(bytes.NewReader(archive), ".") }); err == nil {
			t.Errorf("%s: it is accepted", what)
		}
	}
	twice := append(tarOf(t, map[string]file{"a": {kind: tar.TypeReg, content: "x"}})[:1024], tarOf(t, map[string]file{"a": {kind: tar.TypeReg}})...)
	var refused *EntryError
	if _, err := makeImage(t, 16*mib, func(w *Writer) error { return w.AddTar(bytes.NewReader(twice), ".") }); !errors.As(err, &refused) {
		t.Errorf("a second file of one name: %v", err)
	}
}

func TestADiskThatIsTooSmallIsFull(t *testing.T) {
	archive := tarOf(t, map[string]file{"a": {kind: tar.TypeReg, content: strings.Repeat("x", 11*mib)}})
	if _, err := makeImage(t, 16*mib, func(w *Writer) error { return w.AddTar(bytes.NewReader(archive), ".") }); !errors.Is(err, ErrFull) {
		t.Errorf("found %v", err)
	}
	_, err := makeImage(t, 16*mib, func(w *Writer) error {
		for at := range inodesPerGroup {
			if err := w.Fifo(fmt.Sprint(at), Attributes{}); err != nil {
				return err
			}
		}
		return nil
	})
	if !errors.Is(err, ErrFull) {
		t.Errorf("found %v", err)
	}
}

func TestAnArchiveThatIsCutShortIsRefused(t *testing.T) {
	archive := tarOf(t, map[string]file{"a": {kind: tar.TypeReg, content: strings.Repeat("x", 5000)}, "b": {kind: tar.TypeReg}})
	for length := range len(archive) - 1024 {
		if length%97 != 0 && length%512 != 0 {
			continue
		}
		var refused *EntryError
		if _, err := makeImage(t, 16*mib, func(w *Writer) error { return w.AddTar(bytes.NewReader(archive[:length]), ".") }); !errors.As(err, &refused) {
			t.Fatalf("%d bytes: %v", length, err)
		}
	}
}

func FuzzTar(f *testing.F) {
	f.Add(tarOf(f, map[string]file{"a": {kind: tar.TypeReg, content: "x"}, "b": {kind: tar.TypeSymlink, content: "a"}}))
	f.Fuzz(func(t *testing.T, archive []byte) {
		image, err := makeImage(t, 16*mib, func(w *Writer) error { return w.AddTar(bytes.NewReader(archive), "repo") })
		if err == nil {
			requireClean(t, image)
		}
	})
}
