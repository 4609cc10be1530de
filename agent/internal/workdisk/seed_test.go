package workdisk

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestChooseSeedAction(t *testing.T) {
	for _, c := range []struct {
		mark    string
		entries []string
		want    seedAction
	}{
		{"", nil, seedCopy},
		{"", []string{"lost+found"}, seedCopy},
		{"", []string{"lost+found", "repo"}, seedAdopt},
		{seedStarted, []string{".bashrc"}, seedAgain},
		{seedStarted, nil, seedAgain},
		{seedDone, nil, seedNothing},
		{seedDone, []string{"repo"}, seedNothing},
		{"something newer", nil, seedNothing},
	} {
		if got := chooseSeedAction(c.mark, c.entries); got != c.want {
			t.Errorf("mark %q, entries %q: got %v, want %v", c.mark, c.entries, got, c.want)
		}
	}
}

// seedFolders returns an empty work folder and an image home with one file. Attributes in "trusted." need
// CAP_SYS_ADMIN and a file system that supports them.
func seedFolders(t *testing.T) (work, home string) {
	t.Helper()
	work, home = t.TempDir(), t.TempDir()
	err := unix.Lsetxattr(work, "trusted.banger.test", []byte("1"), 0)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOTSUP) {
		t.Skipf("no trusted attributes here: %v", err)
	}
	if err := os.WriteFile(filepath.Join(home, ".bashrc"), []byte("image\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	return work, home
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func TestSeedSeedsOnlyOnceEvenIfAllIsDeleted(t *testing.T) {
	work, home := seedFolders(t)
	if err := os.Mkdir(filepath.Join(work, lostAndFound), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := seed(work, home); err != nil {
		t.Fatal(err)
	}
	if !exists(filepath.Join(work, ".bashrc")) || exists(filepath.Join(work, lostAndFound)) {
		t.Fatal("not seeded")
	}
	if err := os.Remove(filepath.Join(work, ".bashrc")); err != nil {
		t.Fatal(err)
	}
	if err := seed(work, home); err != nil {
		t.Fatal(err)
	}
	if exists(filepath.Join(work, ".bashrc")) {
		t.Fatal("seeded a second time")
	}
}

func TestSeedKeepsADiskThatCameWithFiles(t *testing.T) {
	work, home := seedFolders(t)
	if err := os.WriteFile(filepath.Join(work, "mine"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := seed(work, home); err != nil {
			t.Fatal(err)
		}
		if !exists(filepath.Join(work, "mine")) || exists(filepath.Join(work, ".bashrc")) {
			t.Fatal("the user's files were touched")
		}
	}
}

func TestSeedRepeatsAnInterruptedCopy(t *testing.T) {
	work, home := seedFolders(t)
	if err := setMark(work, seedStarted); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{".bashrc", "half"} {
		if err := os.WriteFile(filepath.Join(work, name), []byte("i"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := seed(work, home); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(work, ".bashrc"))
	if err != nil || string(text) != "image\n" || exists(filepath.Join(work, "half")) {
		t.Fatalf("got %q, %v", text, err)
	}
}
