package tarx

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestPackAndUnpackReproduceTheTree(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	archive := pack(t, dir("d/"), file("d/x\xff\n", "one"), file("big", strings.Repeat("y", 700_000)), link(tar.TypeSymlink, "s", "\xfe"),
		link(tar.TypeLink, "z", "d/x\xff\n"), link(tar.TypeFifo, "p", ""), file("e", ""))
	if _, err := Unpack(bytes.NewReader(archive), from, Callers()); err != nil {
		t.Fatal(err)
	}
	source, err := Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	var packed bytes.Buffer
	if err := source.Pack(&packed, How{}); err != nil {
		t.Fatal(err)
	}
	if _, err := Unpack(&packed, to, Callers()); err != nil {
		t.Fatal(err)
	}
	if one, two := tell(t, from), tell(t, to); one != two {
		t.Errorf("got\n%swant\n%s", two, one)
	}
	for _, name := range []string{"d", "d/x\xff\n", "s", "p"} {
		info, err := os.Lstat(to + "/" + name)
		if err != nil || !info.ModTime().Equal(stamp) {
			t.Errorf("%q: got %v, error %v", name, info.ModTime(), err)
		}
	}
	var info unix.Stat_t
	if err := unix.Stat(to+"/z", &info); err != nil || info.Nlink != 2 {
		t.Errorf("z has %d names, error %v", info.Nlink, err)
	}
}

func TestPackOfAFileIsOneEntry(t *testing.T) {
	path := t.TempDir() + "/name"
	if err := errors.Join(os.WriteFile(path, []byte("content"), 0o640), os.Symlink("name", filepath.Dir(path)+"/link")); err != nil {
		t.Fatal(err)
	}
	for asked, name := range map[string]string{path: "name", filepath.Dir(path) + "/link": "link"} {
		source, err := Open(asked)
		if err != nil {
			t.Fatal(err)
		}
		var packed bytes.Buffer
		if err := errors.Join(source.Pack(&packed, How{}), source.Close()); err != nil {
			t.Fatal(err)
		}
		r := tar.NewReader(&packed)
		header, err := r.Next()
		if err != nil || header.Name != name || header.Mode != 0o640 || header.Size != 7 {
			t.Fatalf("got %+v, error %v", header, err)
		}
		if _, err := r.Next(); !errors.Is(err, io.EOF) {
			t.Fatalf("got %v", err)
		}
	}
}

func TestPackUnderAnotherName(t *testing.T) {
	root := t.TempDir()
	if err := errors.Join(os.MkdirAll(root+"/d/e", 0o755), os.WriteFile(root+"/d/e/f", []byte("x"), 0o644)); err != nil {
		t.Fatal(err)
	}
	for asked, want := range map[string]string{root + "/d": "as/ as/e/ as/e/f ", root + "/d/e/f": "as "} {
		source, err := Open(asked)
		if err != nil {
			t.Fatal(err)
		}
		var packed bytes.Buffer
		if err := errors.Join(source.Pack(&packed, How{As: "as"}), source.Close()); err != nil {
			t.Fatal(err)
		}
		names := ""
		for r := tar.NewReader(&packed); ; {
			header, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			names += header.Name + " "
		}
		if names != want {
			t.Errorf("%s: got %q, want %q", asked, names, want)
		}
	}
}

func TestOpenRefusesAnythingButFilesAndDirectories(t *testing.T) {
	path := t.TempDir() + "/fifo"
	if err := unix.Mkfifo(path, 0o644); err != nil {
		t.Fatal(err)
	}
	conflict := new(ConflictError)
	if _, err := Open(path); !errors.As(err, &conflict) {
		t.Errorf("got %v", err)
	}
	if _, err := Open(path + "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestPackFailsWhenAFileShrinks(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(root+"/log", make([]byte, 3*readBytes), 0o644); err != nil {
		t.Fatal(err)
	}
	source, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	cut := func([]byte) (int, error) { return 0, os.Truncate(root+"/log", 0) }
	if err := source.Pack(once(cut), How{}); err == nil || !strings.Contains(err.Error(), "shorter") {
		t.Fatalf("got %v", err)
	}
}

// once calls f before the first write.
type once func([]byte) (int, error)

func (f once) Write(p []byte) (int, error) {
	if _, err := f(p); err != nil {
		return 0, err
	}
	return len(p), nil
}
