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

func TestUnpackCreatesAllKindsOfEntriesThatAreAllowed(t *testing.T) {
	root := filepath.Join(t.TempDir(), "made/on/the/way")
	long := strings.Repeat("d/", 120) + strings.Repeat("n", 200)
	entries := []entry{
		{Header: tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "a commit"}}},
		dir("./"),
		dir("closed/"),
		file("closed/in", "side"),
		file("a b\n\xff", "bytes"),
		file("no/dir/entry", "x"),
		file("empty", ""),
		file(long, "deep"),
		link(tar.TypeSymlink, "sym", "/etc/\xfepasswd"),
		link(tar.TypeLink, "hard", "./closed/in"),
		link(tar.TypeLink, "hardsym", "sym"),
		link(tar.TypeFifo, "fifo", ""),
		{tar.Header{Name: "run", Typeflag: tar.TypeReg, Mode: 0o4751, ModTime: stamp}, "#!"},
	}
	entries[2].Mode = 0o555
	result, err := Unpack(bytes.NewReader(pack(t, entries...)), root, Callers())
	if err != nil {
		t.Fatal(err)
	}
	if result.Entries != 12 || result.Bytes != int64(len("sidebytesxdeep#!")) {
		t.Errorf("got %+v", result)
	}
	got := tell(t, root)
	for _, want := range []string{
		"dr-xr-xr-x closed\n", "-rw-r--r-- closed/in side\n", "-rw-r--r-- a b\n\xff bytes\n", "-rw-r--r-- empty \n",
		"drwxr-xr-x no\n", "-rw-r--r-- no/dir/entry x\n", "nnn deep\n",
		"sym -> /etc/\xfepasswd\n", "-rw-r--r-- hard side\n", "hardsym -> /etc/\xfepasswd\n", "prwxrwxrwx fifo\n", "urwxr-x--x run #!\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("missing %q in\n%s", want, got)
		}
	}
	for _, name := range []string{".", "closed", "closed/in", "empty", "sym", "fifo", "run"} {
		info, err := os.Lstat(filepath.Join(root, name))
		if err != nil || !info.ModTime().Equal(stamp) {
			t.Errorf("%s: got %v, error %v", name, info.ModTime(), err)
		}
	}
	var one, two unix.Stat_t
	if err := errors.Join(unix.Stat(root+"/hard", &one), unix.Stat(root+"/closed/in", &two)); err != nil || one.Ino != two.Ino {
		t.Errorf("hard and closed/in are two files, %v", err)
	}
	// Otherwise a user who is not root could not remove it.
	_ = os.Chmod(root+"/closed", 0o755)
}

func TestUnpackReadsEveryDialect(t *testing.T) {
	name := strings.Repeat("long/", 30) + "file"
	for dialect, format := range map[string]tar.Format{"GNU": tar.FormatGNU, "PAX": tar.FormatPAX, "ustar": tar.FormatUSTAR} {
		var archive bytes.Buffer
		w := tar.NewWriter(&archive)
		err := errors.Join(
			w.WriteHeader(&tar.Header{Name: name[40:], Typeflag: tar.TypeReg, Mode: 0o600, Size: 1, Format: format}),
			second(io.WriteString(w, "x")),
			w.Close(),
		)
		if err != nil {
			t.Fatal(err)
		}
		root := t.TempDir()
		if _, err := Unpack(&archive, root, Callers()); err != nil {
			t.Errorf("%s: %v", dialect, err)
		}
		if got := tell(t, root); !strings.HasSuffix(got, "-rw------- "+name[40:]+" x\n") {
			t.Errorf("%s: got %s", dialect, got)
		}
	}
}

func TestUnpackReplacesExistingFiles(t *testing.T) {
	root := t.TempDir()
	outside := filepath.Join(t.TempDir(), "outside")
	for name, content := range map[string]string{outside: "safe", root + "/file": "old", root + "/linked": "old"} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	err := errors.Join(
		os.Symlink(outside, root+"/sym"), os.Symlink(filepath.Dir(outside), root+"/symdir"), os.Mkdir(root+"/empty", 0o755),
		os.Mkdir(root+"/kept", 0o700), os.WriteFile(root+"/kept/inside", nil, 0o644), os.Link(root+"/linked", root+"/other"),
	)
	if err != nil {
		t.Fatal(err)
	}
	archive := pack(t, file("file", "new"), file("linked", "new"), file("sym", "new"), dir("symdir/"), file("symdir/x", "new"),
		file("empty", "new"), dir("kept/"), link(tar.TypeSymlink, "file2", "a"), link(tar.TypeSymlink, "file2", "b"))
	if _, err := Unpack(bytes.NewReader(archive), root, Callers()); err != nil {
		t.Fatal(err)
	}
	want := `-rw-r--r-- empty new
-rw-r--r-- file new
Lrwxrwxrwx file2 -> b
drwxr-xr-x kept
-rw-r--r-- kept/inside 
-rw-r--r-- linked new
-rw------- other old
-rw-r--r-- sym new
drwxr-xr-x symdir
-rw-r--r-- symdir/x new
`
	if got := tell(t, root); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got := tell(t, filepath.Dir(outside)); got != "-rw------- outside safe\n" {
		t.Errorf("outside: %s", got)
	}
}

func TestUnpackReadsTheStreamToItsEnd(t *testing.T) {
	stream := bytes.NewReader(append(pack(t, file("a", "x")), make([]byte, 1<<20)...))
	if _, err := Unpack(stream, t.TempDir(), Callers()); err != nil || stream.Len() > 0 {
		t.Fatalf("%d bytes left, error %v", stream.Len(), err)
	}
}

func TestUnpackLeavesAnExistingDirectoryUnchanged(t *testing.T) {
	root := t.TempDir()
	if err := os.Chmod(root, 0o711); err != nil {
		t.Fatal(err)
	}
	self := dir("./")
	self.Mode = 0o700
	if _, err := Unpack(bytes.NewReader(pack(t, self)), root, Callers()); err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(root); info.Mode().Perm() != 0o711 {
		t.Fatalf("got %v", info.Mode())
	}
}

func TestUnpackSetsOwners(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give files away")
	}
	owned := func(e entry) entry {
		e.Uid, e.Gid = 3_000_000, 12
		return e
	}
	archive := pack(t, owned(file("between/f", "x")), owned(dir("d/")), owned(file("d/f", "x")), owned(link(tar.TypeSymlink, "d/s", "f")), owned(link(tar.TypeFifo, "d/p", "")))
	setgid := t.TempDir()
	if err := errors.Join(os.Chown(setgid, 0, 77), os.Chmod(setgid, fs.ModeSetgid|0o755)); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		root     string
		owners   Owners
		uid, gid uint32
	}{
		{t.TempDir(), Owners{Kept: true}, 3_000_000, 12}, {t.TempDir(), Callers(), 0, 0}, {setgid, Callers(), 0, 0},
		{t.TempDir() + "/made/on the way", Owners{UID: 1000, GID: 1001}, 1000, 1001}, {setgid, Owners{UID: 1000, GID: 1001}, 1000, 1001},
	} {
		if _, err := Unpack(bytes.NewReader(archive), test.root, test.owners); err != nil {
			t.Fatal(err)
		}
		names := []string{"d", "d/f", "d/s", "d/p"}
		if strings.HasSuffix(test.root, "way") {
			names = append(names, ".", "..", "between", "between/f")
		}
		for _, name := range names {
			var info unix.Stat_t
			if err := unix.Lstat(test.root+"/"+name, &info); err != nil || info.Uid != test.uid || info.Gid != test.gid {
				t.Errorf("%s: got %d:%d, error %v, want %d:%d", name, info.Uid, info.Gid, err, test.uid, test.gid)
			}
		}
	}
}
