package ready

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func isClosed(c <-chan struct{}, wait time.Duration) bool {
	select {
	case <-c:
		return true
	case <-time.After(wait):
		return false
	}
}

func TestWatchSeesAnExistingMark(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ready")
	if err := Mark(path); err != nil {
		t.Fatal(err)
	}
	marked, err := Watch(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if !isClosed(marked, 5*time.Second) {
		t.Fatal("the mark was not seen")
	}
}

func TestWatchSeesAMarkMadeLaterAndIgnoresOtherFiles(t *testing.T) {
	dir := t.TempDir()
	marked, err := Watch(t.Context(), filepath.Join(dir, "ready"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "other"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if isClosed(marked, 50*time.Millisecond) {
		t.Fatal("another file counted as the mark")
	}
	for range 2 {
		if err := Mark(filepath.Join(dir, "ready")); err != nil {
			t.Fatal(err)
		}
	}
	if !isClosed(marked, 5*time.Second) {
		t.Fatal("the mark was not seen")
	}
}

func TestWatchEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	path := filepath.Join(t.TempDir(), "ready")
	marked, err := Watch(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	time.Sleep(20 * time.Millisecond)
	if err := Mark(path); err != nil {
		t.Fatal(err)
	}
	if isClosed(marked, 50*time.Millisecond) {
		t.Fatal("the watch went on")
	}
}

func TestWatchFailsWithoutTheFolder(t *testing.T) {
	if _, err := Watch(t.Context(), filepath.Join(t.TempDir(), "no", "ready")); err == nil {
		t.Fatal("want an error")
	}
}
