package oci

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// mounted mounts an image. Only root can.
func mounted(t testing.TB, image string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount an image")
	}
	at := t.TempDir()
	if out, err := exec.Command("mount", "-o", "loop,ro,noload", image, at).CombinedOutput(); err != nil {
		t.Skipf("mount: %v %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", at).CombinedOutput(); err != nil {
			t.Errorf("umount: %v %s", err, out)
		}
	})
	return at
}

// requireTree compares a folder with lines for its files.
func requireTree(t testing.TB, top string, want []string) {
	t.Helper()
	var found []string
	err := filepath.WalkDir(top, func(path string, entry os.DirEntry, err error) error {
		if err != nil || path == top {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		line, _ := filepath.Rel(top, path)
		stat := info.Sys().(*syscall.Stat_t)
		switch {
		case info.Mode().IsRegular():
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %s %o %d", content, stat.Mode&0o7777, stat.Nlink)
		case info.Mode()&os.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			line += " -> " + target
		}
		found = append(found, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(found, want) {
		t.Errorf("found %q\n want %q", found, want)
	}
}

func requireSameFile(t testing.TB, a, b string) {
	t.Helper()
	if out, err := exec.Command("cmp", a, b).CombinedOutput(); err != nil {
		t.Errorf("the files differ: %s", bytes.TrimSpace(out))
	}
}
