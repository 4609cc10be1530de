package tarx

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

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
			result, err := Unpack(bytes.NewReader(archive), parent+"/root", Callers())
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
	if _, err := Unpack(bytes.NewReader(archive), t.TempDir(), Callers()); !errors.As(err, &policy) {
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
		if _, err := Unpack(bytes.NewReader(archive), t.TempDir(), Callers()); !errors.As(err, &policy) {
			t.Errorf("%s: got %v", format, err)
		}
	}
}

func TestUnpackReportsConflicts(t *testing.T) {
	root := t.TempDir()
	if err := errors.Join(os.Mkdir(root+"/full", 0o755), os.WriteFile(root+"/full/x", nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	conflict := new(ConflictError)
	if _, err := Unpack(bytes.NewReader(pack(t, file("full", "x"))), root, Callers()); !errors.As(err, &conflict) {
		t.Errorf("a full directory: got %v", err)
	}
	if _, err := Unpack(bytes.NewReader(pack(t)), root+"/full/x/y", Callers()); !errors.As(err, &conflict) {
		t.Errorf("a file as directory: got %v", err)
	}
}

func TestUnpackReportsDamage(t *testing.T) {
	whole := pack(t, file("a", strings.Repeat("x", 5000)), file("b", "y"))
	broken := bytes.Clone(whole)
	broken[2*512+10] ^= 0xff // in the header that follows the PAX records
	for name, archive := range map[string][]byte{
		"cut in content": whole[:3000], "cut in a header": whole[:700], "cut between entries": whole[:len(whole)-1024], "no end": nil, "no archive": bytes.Repeat([]byte("text"), 500), "bad checksum": broken,
	} {
		policy := new(PolicyError)
		if _, err := Unpack(bytes.NewReader(archive), t.TempDir(), Callers()); !errors.As(err, &policy) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	cause := errors.New("line dropped")
	if _, err := Unpack(io.MultiReader(bytes.NewReader(whole[:3000]), failing{cause}), t.TempDir(), Callers()); !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
}

type failing struct{ error }

func (f failing) Read([]byte) (int, error) { return 0, f.error }

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
		_, _ = Unpack(bytes.NewReader(archive), parent+"/root", Callers())
		if err := errors.Join(unlock(parent+"/root"), os.RemoveAll(parent+"/root")); err != nil {
			t.Fatal(err)
		}
		if got := tell(t, parent); got != "-rw-r--r-- outside safe\n" {
			t.Fatalf("outside is now\n%s", got)
		}
	})
}
