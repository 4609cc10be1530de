package mkext4

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"banger.dev/host/internal/ext4"
)

// committed is a repository of files that are older than its index, apart from one that was edited after it
// was added.
func committed(t *testing.T) string {
	t.Helper()
	top := t.TempDir()
	sh := func(script string) {
		t.Helper()
		command := exec.Command("sh", "-ec", script)
		command.Dir = top
		command.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", script, err, out)
		}
	}
	sh("git init -q; mkdir -p b/c; for name in a b/c/d b/e edited; do echo one >$name; touch -d '1 hour ago' $name; done; git add .")
	sh("echo longer >edited; touch -d '1 hour ago' edited; mkdir -p .git/info; echo '*.log' >.git/info/exclude")
	return top
}

// imageOf writes a repository to an image as the host does: its .git last.
func imageOf(t *testing.T, top string, p parts) string {
	t.Helper()
	archive := exec.Command("tar", "-C", top, "-cf", "-", "a", "b/c/d", "b/e", "edited", ".git")
	stream, err := archive.Output()
	if err != nil {
		t.Fatal(err)
	}
	input := filepath.Join(t.TempDir(), "input")
	if err := os.WriteFile(input, stream, 0o600); err != nil {
		t.Fatal(err)
	}
	stdin, err := os.Open(input)
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	before := os.Stdin
	os.Stdin = stdin
	defer func() { os.Stdin = before }()
	file, err := os.Create(filepath.Join(t.TempDir(), "image"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	options := ext4.Options{Size: 64 << 20, UUID: [16]byte{1}, Made: time.Unix(1_700_000_000, 0), MaxEntries: 1000}
	if _, err := fill(file, options, p); err != nil {
		t.Fatal(err)
	}
	return file.Name()
}

func TestTheIndexOnAnImageSaysWhatIsOnIt(t *testing.T) {
	if _, err := os.Stat("/usr/sbin/debugfs"); err != nil {
		t.Skip("e2fsprogs is not installed")
	}
	top := committed(t)
	image := imageOf(t, top, parts{at: "repo", watched: top})
	if out, err := exec.Command("/usr/sbin/e2fsck", "-fn", image).CombinedOutput(); err != nil {
		t.Fatalf("e2fsck: %v: %s", err, out)
	}
	index, err := exec.Command("/usr/sbin/debugfs", "-R", "cat repo/.git/index", image).Output()
	if err != nil {
		t.Fatal(err)
	}
	exclude, err := exec.Command("/usr/sbin/debugfs", "-R", "cat repo/.git/info/exclude", image).Output()
	if err != nil || string(exclude) != "*.log\n" {
		t.Errorf("info/exclude is %q, %v", exclude, err)
	}
	if !bytes.Contains(index, []byte("FSMN")) || !bytes.Contains(index, []byte("UNTR")) {
		t.Fatal("the index was not prepared")
	}
	// Git asks a program that knows of no changes: all it sees is what the index says.
	if err := os.WriteFile(filepath.Join(top, ".git/index"), index, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b/e"} {
		if err := os.WriteFile(filepath.Join(top, name), []byte("not noticed"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	status := exec.Command("git", "-C", top, "-c", `core.fsmonitor=printf 'token\0'; :`, "diff-files", "--name-only")
	if out, err := status.CombinedOutput(); err != nil || string(out) != "edited\n" {
		t.Errorf("git printed %q, %v", out, err)
	}
}

func TestAnImageIsTheSameEachTime(t *testing.T) {
	top := committed(t)
	content := func() []byte {
		content, err := os.ReadFile(imageOf(t, top, parts{at: "repo", watched: "/root/repo"}))
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	if !bytes.Equal(content(), content()) {
		t.Error("two images of one tree differ")
	}
}
