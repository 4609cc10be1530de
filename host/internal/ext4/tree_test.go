package ext4

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

const mib = 1 << 20

var made = time.Unix(1_700_000_000, 0)

func makeImage(t testing.TB, size int64, fill func(w *Writer) error) (string, error) {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "image"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	w, err := NewWriter(file, Options{Size: size, UUID: [16]byte{1, 2, 3}, Made: made, MaxEntries: 300_000})
	if err == nil {
		err = fill(w)
	}
	if err == nil {
		err = w.Close()
	}
	return file.Name(), err
}

// requireClean fails the test when e2fsck finds anything to say about an image.
func requireClean(t testing.TB, image string) {
	t.Helper()
	out, err := exec.Command("/usr/sbin/e2fsck", "-fn", image).CombinedOutput()
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("e2fsck is not installed")
	}
	if err != nil {
		t.Fatalf("e2fsck: %v\n%s", err, out)
	}
}

// file is what a name of a tree is.
type file struct {
	kind     byte
	content  string
	mode     int64
	uid, gid int
	modified time.Time
	xattrs   map[string]string
}

func (f file) String() string {
	content := f.content
	if len(content) > 100 {
		content = fmt.Sprintf("%d bytes %x", len(content), sha256.Sum256([]byte(content)))
	}
	return fmt.Sprintf("%c %q %o %d:%d %d.%09d %v", f.kind, content, f.mode, f.uid, f.gid, f.modified.Unix(), f.modified.Nanosecond(), f.xattrs)
}

func tarOf(t testing.TB, tree map[string]file) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, name := range slices.Sorted(maps.Keys(tree)) {
		f := tree[name]
		h := &tar.Header{Name: name, Typeflag: f.kind, Mode: f.mode, Uid: f.uid, Gid: f.gid, ModTime: f.modified, Format: tar.FormatPAX}
		switch f.kind {
		case tar.TypeReg:
			h.Size = int64(len(f.content))
		case tar.TypeSymlink, tar.TypeLink:
			h.Linkname = f.content
		}
		for key, value := range f.xattrs {
			if h.PAXRecords == nil {
				h.PAXRecords = map[string]string{}
			}
			h.PAXRecords[xattrRecord+key] = value
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if f.kind == tar.TypeReg {
			if _, err := io.WriteString(w, f.content); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// treeOf reads a whole image back.
func treeOf(t testing.TB, name string) map[string]file {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	image, err := OpenImage(f)
	if err != nil {
		t.Fatal(err)
	}
	tree, kinds := map[string]file{}, map[uint16]byte{typeFile: tar.TypeReg, typeFolder: tar.TypeDir, typeSymlink: tar.TypeSymlink, typeFifo: tar.TypeFifo}
	var read func(number uint32, name string)
	read = func(number uint32, name string) {
		inode, err := image.inodeAt(number)
		if err != nil {
			t.Fatal(err)
		}
		a, err := image.attributesIn(inode)
		if err != nil {
			t.Fatal(err)
		}
		kind := le.Uint16(inode) & typeMask
		found := file{kind: kinds[kind], mode: int64(a.Mode), uid: int(a.Uid), gid: int(a.Gid), modified: a.Modified}
		for _, x := range a.Xattrs {
			if found.xattrs == nil {
				found.xattrs = map[string]string{}
			}
			for _, p := range prefixes {
				if p.index == x.Index {
					found.xattrs[p.prefix+x.Name] = string(x.Value)
				}
			}
		}
		switch kind {
		case typeFolder:
			entries, err := image.entriesOf(inode)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				read(e.number, path.Join(name, e.name))
			}
		case typeSymlink:
			if found.content, err = image.targetOf(inode); err != nil {
				t.Fatal(err)
			}
		case typeFile:
			content, err := image.contentOf(inode)
			if err != nil {
				t.Fatal(err)
			}
			all, err := io.ReadAll(content)
			if err != nil {
				t.Fatal(err)
			}
			found.content = string(all)
		}
		tree[name] = found
	}
	read(inodeRoot, ".")
	return tree
}

func requireSame(t testing.TB, found, want map[string]file) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if found[name].String() != want[name].String() {
			t.Errorf("%q: found %s, want %s", name, found[name], want[name])
		}
	}
	for name := range found {
		if _, isWanted := want[name]; !isWanted {
			t.Errorf("%q is not wanted", name)
		}
	}
}
