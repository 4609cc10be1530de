package drives

import (
	"maps"
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

func TestWaitFindsThemBySerialWhateverTheirOrder(t *testing.T) {
	sysfs := t.TempDir()
	addDisk(t, sysfs, "loop0", map[string]string{"size": "0\n"})
	addDisk(t, sysfs, "vda", map[string]string{"serial": "work", "size": "16\n", "dev": "254:0\n"})
	addDisk(t, sysfs, "vdb", map[string]string{"serial": "root", "size": "800\n", "dev": "254:16\n"})
	drives, err := Wait(sysfs, []string{Root, Work}, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	if want := (Drive{"/dev/vdb", "254:16", 800}); drives[Root] != want {
		t.Fatalf("got %+v, want %+v", drives[Root], want)
	}
}

func TestWaitNamesMissingAndPresentDrives(t *testing.T) {
	sysfs := t.TempDir()
	addDisk(t, sysfs, "vda", map[string]string{"serial": "root", "size": "8"})
	_, err := Wait(sysfs, []string{Root, Overlay, Work}, nil, 0)
	if err == nil || !strings.Contains(err.Error(), `no drive with serial overlay, work after 0s, found "root"`) {
		t.Fatalf("got %v", err)
	}
}

func TestWaitFindsADriveThatAppearsLate(t *testing.T) {
	sysfs := t.TempDir()
	timer := time.AfterFunc(30*time.Millisecond, func() {
		addDisk(t, sysfs, "vda", map[string]string{"size": "8", "dev": "254:0"})
		_ = os.WriteFile(filepath.Join(sysfs, "block/vda/serial"), []byte("root"), 0o644)
	})
	defer timer.Stop()
	if _, err := Wait(sysfs, []string{Root}, nil, 5*time.Second); err != nil {
		t.Fatal(err)
	}
}

func TestWaitFindsThemByTheirOrderWhateverTheirSerials(t *testing.T) {
	sysfs := t.TempDir()
	addDisk(t, sysfs, "loop0", map[string]string{"size": "8\n"})
	addDisk(t, sysfs, "vdb", map[string]string{"serial": "2065:11:7", "size": "16\n", "dev": "254:16\n"})
	addDisk(t, sysfs, "vda", map[string]string{"serial": "work", "size": "800\n", "dev": "254:0\n"})
	addDisk(t, sysfs, "vdc", map[string]string{"serial": "root", "size": "24\n", "dev": "254:32\n"})
	drives, err := Wait(sysfs, []string{Root, Overlay}, []string{Root, Overlay}, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]Drive{Root: {"/dev/vda", "254:0", 800}, Overlay: {"/dev/vdb", "254:16", 16}}
	if !maps.Equal(drives, want) {
		t.Fatalf("got %+v, want %+v", drives, want)
	}
}
