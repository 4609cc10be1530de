package boot

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func addDisk(t *testing.T, sysfs, name string, files map[string]string) {
	t.Helper()
	dir := filepath.Join(sysfs, "block", name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for file, text := range files {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWaitForDrivesFindsThemBySerialWhateverTheirOrder(t *testing.T) {
	sysfs := t.TempDir()
	addDisk(t, sysfs, "loop0", map[string]string{"size": "0\n"})
	addDisk(t, sysfs, "vda", map[string]string{"serial": "work", "size": "16\n", "dev": "254:0\n"})
	addDisk(t, sysfs, "vdb", map[string]string{"serial": "root", "size": "800\n", "dev": "254:16\n"})
	drives, err := waitForDrives(sysfs, []string{serialRoot, serialWork}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if want := (drive{"/dev/vdb", "254:16", 800}); drives[serialRoot] != want {
		t.Fatalf("got %+v, want %+v", drives[serialRoot], want)
	}
}

func TestWaitForDrivesNamesMissingAndPresentDrives(t *testing.T) {
	sysfs := t.TempDir()
	addDisk(t, sysfs, "vda", map[string]string{"serial": "root", "size": "8"})
	_, err := waitForDrives(sysfs, []string{serialRoot, serialOverlay, serialWork}, 0)
	if err == nil || !strings.Contains(err.Error(), `no drive with serial overlay, work after 0s, found "root"`) {
		t.Fatalf("got %v", err)
	}
}

func TestWaitForDrivesFindsADriveThatAppearsLate(t *testing.T) {
	sysfs := t.TempDir()
	timer := time.AfterFunc(30*time.Millisecond, func() {
		addDisk(t, sysfs, "vda", map[string]string{"size": "8", "dev": "254:0"})
		_ = os.WriteFile(filepath.Join(sysfs, "block/vda/serial"), []byte("root"), 0o644)
	})
	defer timer.Stop()
	if _, err := waitForDrives(sysfs, []string{serialRoot}, 5*time.Second); err != nil {
		t.Fatal(err)
	}
}
