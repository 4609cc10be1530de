package oci

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// treeOf describes every file below a folder: type, mode, owner, time, names, content and attributes. Folders
// that a program made on its own since a time have no time in it.
func treeOf(t testing.TB, top string, since time.Time) map[string]string {
	t.Helper()
	tree, first := map[string]string{}, map[uint64]string{}
	err := filepath.WalkDir(top, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(top, path)
		stat := info.Sys().(*syscall.Stat_t)
		if stat.Mode&syscall.S_IFMT == syscall.S_IFCHR || stat.Mode&syscall.S_IFMT == syscall.S_IFBLK {
			return nil
		}
		changed := info.ModTime().UTC().Format(time.RFC3339Nano)
		if info.IsDir() && !info.ModTime().Before(since) {
			changed = "implied"
		}
		line := fmt.Sprintf("%o %d:%d %s", stat.Mode, stat.Uid, stat.Gid, changed)
		if !info.IsDir() {
			if first[stat.Ino] == "" {
				first[stat.Ino] = name
			}
			line += fmt.Sprintf(" %d names, the first %q", stat.Nlink, first[stat.Ino])
		}
		switch {
		case info.Mode().IsRegular():
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %d bytes %x", len(content), sha256.Sum256(content))
		case info.Mode()&os.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			line += " -> " + target
		}
		tree[name] = line + xattrsOf(t, path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func xattrsOf(t testing.TB, path string) string {
	t.Helper()
	list := make([]byte, 64<<10)
	size, err := unix.Llistxattr(path, list)
	if err != nil {
		t.Fatal(err)
	}
	names := strings.FieldsFunc(string(list[:size]), func(r rune) bool { return r == 0 })
	slices.Sort(names)
	text := ""
	for _, name := range names {
		value := make([]byte, 64<<10)
		n, err := unix.Lgetxattr(path, name, value)
		if err != nil {
			t.Fatal(err)
		}
		text += fmt.Sprintf(" %s=%x", name, value[:n])
	}
	return text
}

// requireSameTree compares trees. The time of an implied folder may be any.
func requireSameTree(t testing.TB, found, want map[string]string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if withoutTime(found[name], want[name]) != want[name] {
			t.Errorf("%q\n found %s\n want  %s", name, found[name], want[name])
		}
	}
	for name := range found {
		if _, isWanted := want[name]; !isWanted {
			t.Errorf("%q is not wanted", name)
		}
	}
}

func withoutTime(found, want string) string {
	if !strings.Contains(want, " implied") {
		return found
	}
	fields := strings.SplitN(found, " ", 4)
	if len(fields) < 3 {
		return found
	}
	fields[2] = "implied"
	return strings.Join(fields, " ")
}
