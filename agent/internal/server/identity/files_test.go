package identity

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestWriteFileReplacesASymlinkAndLeavesNothingElse(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(dir, "outside")
	if err := errors.Join(os.WriteFile(outside, []byte("safe"), 0o644), os.Symlink(outside, filepath.Join(dir, "link"))); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(filepath.Join(dir, "link"), []byte("new"), 0o4755); err != nil {
		t.Fatal(err)
	}
	if got := read(t, outside); got != "safe" {
		t.Errorf("wrote through the symlink: %q", got)
	}
	info, err := os.Lstat(filepath.Join(dir, "link"))
	if err != nil || info.Mode() != fs.ModeSetuid|0o755 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
	if err := writeFile(dir, nil, 0o644); err == nil {
		t.Error("replaced a directory")
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestWriteFileDoesNotWriteAFileThatIsUpToDate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for _, content := range []string{"", "short", strings.Repeat("content ", 5000)} {
		if err := writeFile(path, []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
		before := statOf(t, path)
		if err := writeFile(path, []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
		if after := statOf(t, path); after.Ino != before.Ino || after.Ctim != before.Ctim {
			t.Errorf("%d bytes were written again", len(content))
		}
	}
}

func TestWriteFileOverwritesSmallFilesInPlaceAndReplacesOthers(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	long := strings.Repeat("x", blockBytes+1)
	if err := os.WriteFile(path, []byte("first"), 0o640); err != nil {
		t.Fatal(err)
	}
	for _, next := range []struct {
		content   string
		mode      uint32
		isInPlace bool
	}{
		{"other", 0o640, true}, {"longer than it was", 0o640, true}, {"short", 0o640, true}, {"", 0o640, true}, {"again", 0o640, true},
		{"again", 0o644, true}, {"with mode", 0o755, true}, {"with mode", 0o600, false}, {long, 0o600, false}, {long, 0o644, true},
		{long[1:] + "y", 0o644, false}, {"short", 0o600, false},
	} {
		before := statOf(t, path)
		if err := writeFile(path, []byte(next.content), next.mode); err != nil {
			t.Fatal(err)
		}
		after := statOf(t, path)
		if got := read(t, path); got != next.content || after.Mode != unix.S_IFREG|next.mode || (after.Ino == before.Ino) != next.isInPlace {
			t.Errorf("%.10s: got %.10s, mode %o, same place %v", next.content, got, after.Mode, after.Ino == before.Ino)
		}
	}
	// Another hard link of the file keeps the old content.
	if err := os.Link(path, filepath.Join(dir, "other")); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(path, []byte("ours"), 0o600); err != nil || read(t, path) != "ours" || read(t, filepath.Join(dir, "other")) != "short" {
		t.Errorf("got %q, error %v", read(t, filepath.Join(dir, "other")), err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("left behind: %v", entries)
	}
}

func statOf(t *testing.T, path string) unix.Stat_t {
	t.Helper()
	var info unix.Stat_t
	if err := unix.Lstat(path, &info); err != nil {
		t.Fatal(err)
	}
	return info
}

func TestWriteFileMakesParentsAsPrivateAsTheFile(t *testing.T) {
	root := t.TempDir()
	for name, want := range map[string]struct{ file, parent fs.FileMode }{
		"/private/deep/key": {0o600, 0o700},
		"/open/deep/readme": {0o644, 0o755},
	} {
		if err := writeFile(root+name, []byte("x"), uint32(want.file)); err != nil {
			t.Fatal(err)
		}
		for dir, mode := range map[string]fs.FileMode{name: want.file, filepath.Dir(name): want.parent, filepath.Dir(filepath.Dir(name)): want.parent} {
			if info, err := os.Stat(root + dir); err != nil || info.Mode().Perm() != mode {
				t.Errorf("%s: got %v, %v", dir, info.Mode(), err)
			}
		}
	}
}

func TestWriteFileRemovesWhatAPowerCutLeft(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := errors.Join(os.WriteFile(path+besideSuffix, []byte("half"), 0o666), os.WriteFile(path, []byte("old"), 0o644)); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(path, []byte("whole"), 0o600); err != nil || read(t, path) != "whole" {
		t.Fatalf("got %q, error %v", read(t, path), err)
	}
	if _, err := os.Lstat(path + besideSuffix); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("left behind: %v", err)
	}
}

func TestFilesAreReplacedCreatedOrExtendedAsRequested(t *testing.T) {
	root := t.TempDir()
	// The user's files in the guest.
	before := map[string]string{
		"/root/.gitconfig":           "[user]\nname = mine\n",
		"/root/.ssh/authorized_keys": "ssh-rsa AAA me\n  ssh-ed25519 BBB old  ",
		"/root/synced":               "changed in the guest",
		"/root/dir/kept":             "kept",
	}
	for name, content := range before {
		if err := errors.Join(os.MkdirAll(filepath.Dir(root+name), 0o755), os.WriteFile(root+name, []byte(content), 0o640)); err != nil {
			t.Fatal(err)
		}
	}
	p := Personalisation{Files: []File{
		{Path: "/root/synced", Mode: 0o600, Content: []byte("from the host")},
		{Path: "/root/.gitconfig", Mode: 0o644, How: Create, Content: []byte("theirs")},
		{Path: "/root/.hushlogin", Mode: 0o644, How: Create},
		{Path: "/root/.ssh/authorized_keys", Mode: 0o600, How: AddLines, Content: []byte("ssh-ed25519 BBB old\nssh-ed25519 CCC banger\n")},
		{Path: "/root/new/authorized_keys", Mode: 0o600, How: AddLines, Content: []byte("ssh-ed25519 CCC banger\n")},
		{Path: "/root/dir", Mode: 0o700, How: Folder},
		{Path: "/root/other/secret", Mode: 0o700, How: Folder},
	}}
	after := map[string]string{
		"/root/.gitconfig":           before["/root/.gitconfig"],
		"/root/.ssh/authorized_keys": before["/root/.ssh/authorized_keys"] + "\nssh-ed25519 CCC banger\n",
		"/root/new/authorized_keys":  "ssh-ed25519 CCC banger\n",
		"/root/synced":               "from the host",
		"/root/dir/kept":             "kept",
		"/root/.hushlogin":           "",
	}
	modes := map[string]fs.FileMode{
		"/root/.ssh/authorized_keys": 0o640, "/root/new/authorized_keys": 0o600, "/root/synced": 0o600,
		"/root/dir": fs.ModeDir | 0o755, "/root/other/secret": fs.ModeDir | 0o700, "/root/other": fs.ModeDir | 0o755,
	}
	// The second time, nothing is left to do.
	for range 2 {
		unwritten, err := Pretend(root).Apply(p, time.Now())
		if err != nil || unwritten != nil {
			t.Fatalf("got %v, error %v", unwritten, err)
		}
		for name, want := range after {
			if got := read(t, root+name); got != want {
				t.Errorf("%s: got %q", name, got)
			}
		}
		for name, want := range modes {
			if info, err := os.Stat(root + name); err != nil || info.Mode() != want {
				t.Errorf("%s: got %v, %v", name, info.Mode(), err)
			}
		}
	}
}

func TestAnOptionalFileThatCannotBeWrittenFailsNoStep(t *testing.T) {
	root := t.TempDir()
	if err := errors.Join(os.Mkdir(root+"/root", 0o755), os.WriteFile(root+"/root/.ssh", nil, 0o644), os.Mkdir(root+"/root/synced", 0o755)); err != nil {
		t.Fatal(err)
	}
	unwritten, err := Pretend(root).Apply(Personalisation{Files: []File{
		{Path: "/root/.ssh/authorized_keys", Mode: 0o600, How: AddLines, Optional: true, Content: []byte("\n")},
		{Path: "/root/synced", Mode: 0o600, Optional: true, Content: []byte("\n")},
		{Path: "/root/.hushlogin", Mode: 0o644, How: Create, Optional: true},
	}}, time.Now())
	if err != nil || len(unwritten) != 2 || unwritten[0].Path != "/root/.ssh/authorized_keys" || unwritten[1].Path != "/root/synced" || unwritten[1].Message == "" {
		t.Fatalf("got %v, error %v", unwritten, err)
	}
	if read(t, root+"/root/.hushlogin") != "" {
		t.Error("the file after them was not written")
	}
}
