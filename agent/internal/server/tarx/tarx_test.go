package tarx

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var stamp = time.Unix(1_600_000_000, 123_456_789)

type entry struct {
	tar.Header
	content string
}

func file(name, content string) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, ModTime: stamp}, content}
}

func dir(name string) entry {
	return entry{Header: tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o755, ModTime: stamp}}
}

func link(kind byte, name, target string) entry {
	return entry{Header: tar.Header{Name: name, Typeflag: kind, Linkname: target, Mode: 0o777, ModTime: stamp}}
}

func pack(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, e := range entries {
		e.Size = int64(len(e.content))
		if e.Typeflag == tar.TypeXGlobalHeader {
			e.Size = 0
		} else {
			e.Format = tar.FormatPAX
		}
		if err := w.WriteHeader(&e.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return archive.Bytes()
}

// tell lists a tree: type and mode, name, then what is in it.
func tell(t testing.TB, root string) string {
	t.Helper()
	var out strings.Builder
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		content := ""
		switch {
		case info.Mode().IsRegular():
			bytes, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			content = " " + string(bytes)
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			content = " -> " + target
		}
		name, _ := filepath.Rel(root, path)
		fmt.Fprintf(&out, "%v %s%s\n", info.Mode(), name, content)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestUnpackMakesEverythingThatIsAllowed(t *testing.T) {
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
	result, err := Unpack(bytes.NewReader(pack(t, entries...)), root, false)
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
	// Else a user who is not root could not remove it.
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
		if _, err := Unpack(&archive, root, false); err != nil {
			t.Errorf("%s: %v", dialect, err)
		}
		if got := tell(t, root); !strings.HasSuffix(got, "-rw------- "+name[40:]+" x\n") {
			t.Errorf("%s: got %s", dialect, got)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestUnpackReplacesWhatIsThere(t *testing.T) {
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
	if _, err := Unpack(bytes.NewReader(archive), root, false); err != nil {
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

func TestUnpackRefusesWhatWouldLeaveTheDirectory(t *testing.T) {
	for name, entries := range map[string][]entry{
		"absolute":               {file("/etc/passwd", "x")},
		"up":                     {file("../x", "x")},
		"up in the middle":       {file("a/../../x", "x")},
		"up at the end":          {dir("a/..")},
		"through a symlink":      {link(tar.TypeSymlink, "a", ".."), file("a/x", "x")},
		"through one that stays": {dir("b/"), link(tar.TypeSymlink, "a", "b"), file("a/x", "x")},
		"dir through a symlink":  {link(tar.TypeSymlink, "a", ".."), dir("a/b/c/")},
		"through a file":         {file("a", ""), file("a/x", "x")},
		"hard link up":           {link(tar.TypeLink, "a", "../outside")},
		"hard link absolute":     {link(tar.TypeLink, "a", "/etc/passwd")},
		"hard link via symlink":  {link(tar.TypeSymlink, "s", ".."), link(tar.TypeLink, "a", "s/outside")},
		"hard link to nothing":   {link(tar.TypeLink, "a", "none")},
		"hard link to itself":    {file("a", ""), link(tar.TypeLink, "a", "a")},
		"hard link to a dir":     {dir("d/"), link(tar.TypeLink, "a", "d")},
		"character device":       {link(tar.TypeChar, "null", "")},
		"block device":           {link(tar.TypeBlock, "sda", "")},
		"symlink to nothing":     {link(tar.TypeSymlink, "a", "")},
		"file over the root":     {link(tar.TypeSymlink, ".", "x")},
		"name too long":          {file(strings.Repeat("n", 256), "x")},
	} {
		t.Run(name, func(t *testing.T) {
			parent := t.TempDir()
			if err := os.WriteFile(parent+"/outside", []byte("safe"), 0o644); err != nil {
				t.Fatal(err)
			}
			archive := pack(t, append([]entry{file("first", "kept")}, entries...)...)
			result, err := Unpack(bytes.NewReader(archive), parent+"/root", false)
			policy := new(PolicyError)
			if !errors.As(err, &policy) || policy.Message == "" {
				t.Fatalf("got %v", err)
			}
			if result.Entries != len(entries) {
				t.Errorf("%d entries were unpacked", result.Entries)
			}
			if err := os.RemoveAll(parent + "/root"); err != nil {
				t.Fatal(err)
			}
			if got := tell(t, parent); got != "-rw-r--r-- outside safe\n" {
				t.Errorf("outside is now\n%s", got)
			}
		})
	}
}

func TestUnpackRefusesAGlobalHeaderThatChangesEntries(t *testing.T) {
	archive := pack(t, entry{Header: tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"path": "x"}}})
	policy := new(PolicyError)
	if _, err := Unpack(bytes.NewReader(archive), t.TempDir(), false); !errors.As(err, &policy) {
		t.Fatalf("got %v", err)
	}
}

func TestUnpackRefusesFilesWithHoles(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.WriteFile(dir+"/big", nil, 0o644), os.Truncate(dir+"/big", 10<<20)); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"gnu", "pax"} {
		archive, err := exec.Command("tar", "--sparse", "--format="+format, "-C", dir, "-cf", "-", "big").Output()
		if err != nil {
			t.Skipf("no GNU tar here: %v", err)
		}
		policy := new(PolicyError)
		if _, err := Unpack(bytes.NewReader(archive), t.TempDir(), false); !errors.As(err, &policy) {
			t.Errorf("%s: got %v", format, err)
		}
	}
}

func TestUnpackTellsConflicts(t *testing.T) {
	root := t.TempDir()
	if err := errors.Join(os.Mkdir(root+"/full", 0o755), os.WriteFile(root+"/full/x", nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	conflict := new(ConflictError)
	if _, err := Unpack(bytes.NewReader(pack(t, file("full", "x"))), root, false); !errors.As(err, &conflict) {
		t.Errorf("a full directory: got %v", err)
	}
	if _, err := Unpack(bytes.NewReader(pack(t)), root+"/full/x/y", false); !errors.As(err, &conflict) {
		t.Errorf("a file as directory: got %v", err)
	}
}

func TestUnpackTellsDamage(t *testing.T) {
	whole := pack(t, file("a", strings.Repeat("x", 5000)), file("b", "y"))
	broken := bytes.Clone(whole)
	broken[2*512+10] ^= 0xff // in the header behind the PAX records and theirs
	for name, archive := range map[string][]byte{
		"cut in content": whole[:3000], "cut in a header": whole[:700], "cut between entries": whole[:len(whole)-1024], "no end": nil, "no archive": bytes.Repeat([]byte("text"), 500), "bad checksum": broken,
	} {
		policy := new(PolicyError)
		if _, err := Unpack(bytes.NewReader(archive), t.TempDir(), false); !errors.As(err, &policy) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	cause := errors.New("line dropped")
	if _, err := Unpack(io.MultiReader(bytes.NewReader(whole[:3000]), failing{cause}), t.TempDir(), false); !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
}

type failing struct{ error }

func (f failing) Read([]byte) (int, error) { return 0, f.error }

func TestUnpackReadsTheStreamToItsEnd(t *testing.T) {
	stream := bytes.NewReader(append(pack(t, file("a", "x")), make([]byte, 1<<20)...))
	if _, err := Unpack(stream, t.TempDir(), false); err != nil || stream.Len() > 0 {
		t.Fatalf("%d bytes left, error %v", stream.Len(), err)
	}
}

func TestUnpackLeavesADirectoryThatWasThereAsItIs(t *testing.T) {
	root := t.TempDir()
	if err := os.Chmod(root, 0o711); err != nil {
		t.Fatal(err)
	}
	self := dir("./")
	self.Mode = 0o700
	if _, err := Unpack(bytes.NewReader(pack(t, self)), root, false); err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(root); info.Mode().Perm() != 0o711 {
		t.Fatalf("got %v", info.Mode())
	}
}

func TestUnpackGivesOwners(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give files away")
	}
	owned := func(e entry) entry {
		e.Uid, e.Gid = 3_000_000, 12
		return e
	}
	archive := pack(t, owned(dir("d/")), owned(file("d/f", "x")), owned(link(tar.TypeSymlink, "d/s", "f")), owned(link(tar.TypeFifo, "d/p", "")))
	setgid := t.TempDir()
	if err := errors.Join(os.Chown(setgid, 0, 77), os.Chmod(setgid, fs.ModeSetgid|0o755)); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		root       string
		keepOwners bool
		uid, gid   uint32
	}{{t.TempDir(), true, 3_000_000, 12}, {t.TempDir(), false, 0, 0}, {setgid, false, 0, 0}} {
		if _, err := Unpack(bytes.NewReader(archive), test.root, test.keepOwners); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"d", "d/f", "d/s", "d/p"} {
			var info unix.Stat_t
			if err := unix.Lstat(test.root+"/"+name, &info); err != nil || info.Uid != test.uid || info.Gid != test.gid {
				t.Errorf("%s: got %d:%d, error %v, want %d:%d", name, info.Uid, info.Gid, err, test.uid, test.gid)
			}
		}
	}
}

func TestPackAndUnpackGiveTheSameTree(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	archive := pack(t, dir("d/"), file("d/x\xff\n", "one"), file("big", strings.Repeat("y", 700_000)), link(tar.TypeSymlink, "s", "\xfe"),
		link(tar.TypeLink, "z", "d/x\xff\n"), link(tar.TypeFifo, "p", ""), file("e", ""))
	if _, err := Unpack(bytes.NewReader(archive), from, false); err != nil {
		t.Fatal(err)
	}
	source, err := Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	var packed bytes.Buffer
	if err := source.Pack(&packed); err != nil {
		t.Fatal(err)
	}
	if _, err := Unpack(&packed, to, false); err != nil {
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
		if err := errors.Join(source.Pack(&packed), source.Close()); err != nil {
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

func TestOpenRefusesWhatIsNoFile(t *testing.T) {
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
	if err := source.Pack(once(cut)); err == nil || !strings.Contains(err.Error(), "shorter") {
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

func FuzzUnpackStaysInside(f *testing.F) {
	f.Add(pack(f, file("a", "x"), dir("d/"), link(tar.TypeSymlink, "s", ".."), link(tar.TypeLink, "h", "a")))
	f.Add(pack(f, link(tar.TypeSymlink, "a", ".."), file("a/outside", "x")))
	f.Add(pack(f, file("../outside", "x")))
	f.Add([]byte{})
	parent := f.TempDir()
	if err := os.WriteFile(parent+"/outside", []byte("safe"), 0o644); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, archive []byte) {
		if len(archive) > 1<<20 {
			t.Skip("long archives find nothing more")
		}
		_, _ = Unpack(bytes.NewReader(archive), parent+"/root", false)
		if err := errors.Join(unlock(parent+"/root"), os.RemoveAll(parent+"/root")); err != nil {
			t.Fatal(err)
		}
		if got := tell(t, parent); got != "-rw-r--r-- outside safe\n" {
			t.Fatalf("outside is now\n%s", got)
		}
	})
}

// unlock lets a user who is not root remove a tree.
func unlock(root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			return os.Chmod(path, 0o755)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}
