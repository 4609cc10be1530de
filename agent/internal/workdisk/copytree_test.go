package workdisk

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func lstat(t *testing.T, path string) unix.Stat_t {
	t.Helper()
	var stat unix.Stat_t
	must(t, unix.Lstat(path, &stat))
	return stat
}

func TestCopyTreeKeepsKindsOwnersModesAndTimes(t *testing.T) {
	src, dst := t.TempDir(), t.TempDir()
	old := time.Unix(1_000_000_000, 123_456_789)
	must(t, os.Mkdir(filepath.Join(src, "dir"), 0o700))
	must(t, os.WriteFile(filepath.Join(src, "dir", "tool"), []byte("#!/bin/sh\n"), 0o600))
	must(t, os.Chmod(filepath.Join(src, "dir", "tool"), 0o4755|os.ModeSetuid))
	must(t, os.Link(filepath.Join(src, "dir", "tool"), filepath.Join(src, "same")))
	must(t, os.Symlink("/no/where", filepath.Join(src, "link")))
	must(t, unix.Mkfifo(filepath.Join(src, "fifo"), 0o622))
	must(t, os.WriteFile(filepath.Join(src, "name with\nnewline \xff"), nil, 0o444))
	must(t, os.Chtimes(filepath.Join(src, "dir", "tool"), old, old))
	must(t, os.Chtimes(filepath.Join(src, "dir"), old, old))
	must(t, os.Chmod(src, 0o750))
	if os.Getuid() == 0 {
		must(t, os.Lchown(filepath.Join(src, "link"), 1234, 4321))
	}

	must(t, copyTree(src, dst))

	for _, name := range []string{".", "dir", "dir/tool", "same", "link", "fifo", "name with\nnewline \xff"} {
		a, b := lstat(t, filepath.Join(src, name)), lstat(t, filepath.Join(dst, name))
		if a.Mode != b.Mode || a.Uid != b.Uid || a.Gid != b.Gid || a.Mtim != b.Mtim || a.Nlink != b.Nlink {
			t.Errorf("%q: got %+v, want %+v", name, b, a)
		}
	}
	if lstat(t, filepath.Join(dst, "same")).Ino != lstat(t, filepath.Join(dst, "dir/tool")).Ino {
		t.Error("the hard link became a second file")
	}
	if to, err := os.Readlink(filepath.Join(dst, "link")); err != nil || to != "/no/where" {
		t.Errorf("link to %q, %v", to, err)
	}
	text, err := os.ReadFile(filepath.Join(dst, "same"))
	if err != nil || string(text) != "#!/bin/sh\n" {
		t.Errorf("content %q, %v", text, err)
	}
}

func TestCopyTreeKeepsAttributes(t *testing.T) {
	src, dst := t.TempDir(), t.TempDir()
	must(t, os.WriteFile(filepath.Join(src, "file"), nil, 0o600))
	if err := unix.Setxattr(filepath.Join(src, "file"), "user.one", []byte("\x00\xff"), 0); err != nil {
		t.Skipf("no user attributes here: %v", err)
	}
	must(t, unix.Setxattr(filepath.Join(src, "file"), "user.two", nil, 0))
	must(t, copyTree(src, dst))
	value := make([]byte, 10)
	n, err := unix.Getxattr(filepath.Join(dst, "file"), "user.one", value)
	if err != nil || string(value[:n]) != "\x00\xff" {
		t.Fatalf("got %q, %v", value[:max(n, 0)], err)
	}
	if n, err := unix.Getxattr(filepath.Join(dst, "file"), "user.two", value); err != nil || n != 0 {
		t.Fatalf("got %d, %v", n, err)
	}
}

func TestCopyTreeFailsOnAMissingFolder(t *testing.T) {
	if err := copyTree(filepath.Join(t.TempDir(), "no"), t.TempDir()); err == nil {
		t.Fatal("want an error")
	}
}
