package ext4

import (
	"archive/tar"
	"bytes"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// homeImage is an image that mke2fs made, with a folder "root".
func homeImage(t testing.TB) string {
	t.Helper()
	tree := t.TempDir()
	root := filepath.Join(tree, "root")
	for _, err := range []error{
		os.MkdirAll(filepath.Join(root, "deep", "er"), 0o750),
		os.WriteFile(filepath.Join(root, ".profile"), []byte("export A=1\n"), 0o644),
		os.WriteFile(filepath.Join(root, "deep", "er", "run"), bytes.Repeat([]byte("data\n"), 40_000), 0o755),
		os.Symlink("deep/er", filepath.Join(root, "short")),
		os.Link(filepath.Join(root, ".profile"), filepath.Join(root, "deep", "other")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	image := filepath.Join(t.TempDir(), "rootfs")
	out, err := exec.Command("/usr/sbin/mke2fs", "-q", "-t", "ext4", "-b", "4096", "-d", tree, image, "32M").CombinedOutput()
	if err != nil {
		t.Skipf("mke2fs: %v %s", err, out)
	}
	return image
}

func copied(t testing.TB, rootfs string) (string, error) {
	t.Helper()
	return makeImage(t, 16*mib, func(w *Writer) error {
		archive := tarOf(t, map[string]file{"main.c": {kind: tar.TypeReg, content: "int main;\n", mode: 0o644, modified: made}})
		if err := w.CopyFromFile(rootfs, "/root"); err != nil {
			return err
		}
		return w.AddTar(bytes.NewReader(archive), "repo")
	})
}

func TestTheHomeOfAnImageComesFirst(t *testing.T) {
	image, err := copied(t, homeImage(t))
	if err != nil {
		t.Fatal(err)
	}
	requireClean(t, image)
	tree := treeOf(t, image)
	for name, content := range map[string]string{".profile": "export A=1\n", "deep/other": "export A=1\n", "short": "deep/er", "repo/main.c": "int main;\n"} {
		if tree[name].content != content {
			t.Errorf("%s: %s", name, tree[name])
		}
	}
	if f := tree["deep/er/run"]; len(f.content) != 200_000 || f.mode != 0o755 {
		t.Errorf("deep/er/run: %s", f)
	}
	if f := tree["deep"]; f.mode != 0o750 {
		t.Errorf("deep: %s", f)
	}
}

func TestADamagedImageIsRefusedOrCopied(t *testing.T) {
	whole, err := os.ReadFile(homeImage(t))
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewSource(5))
	broken := filepath.Join(t.TempDir(), "broken")
	for range 12 {
		damaged := bytes.Clone(whole)
		for range 1 + r.Intn(400) {
			damaged[r.Intn(2*mib)] = byte(r.Int())
		}
		if err := os.WriteFile(broken, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		// Whatever it copies must be a clean file system, and it must end.
		if image, err := copied(t, broken); err == nil {
			requireClean(t, image)
		}
	}
}
