package boot

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestParseOrderKeepsTheOrder(t *testing.T) {
	got, err := parseOrder("virtio_ring.ko\nvirtio.ko\n\n  virtio-rng.ko \n")
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"virtio_ring.ko", "virtio.ko", "virtio-rng.ko"}; !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
}

func TestSplitOrderKeepsTheOrderOfBothLists(t *testing.T) {
	files := []string{"virtio.ko", "virtio_blk.ko", "virtio_console.ko", "dm-mod.ko", "failover.ko", "virtio-rng.ko"}
	got := splitOrder(files)
	if want := []string{"virtio.ko", "virtio_blk.ko", "dm-mod.ko"}; !slices.Equal(got.root, want) {
		t.Errorf("got %q, want %q", got.root, want)
	}
	if want := []string{"virtio_console.ko", "failover.ko", "virtio-rng.ko"}; !slices.Equal(got.devices, want) {
		t.Errorf("got %q, want %q", got.devices, want)
	}
}

func TestParseOrderRefusesOtherNames(t *testing.T) {
	for _, text := range []string{"../evil.ko", "a/b.ko", "virtio", "virtio.ko.xz", "a.ko\na.ko"} {
		if got, err := parseOrder(text); err == nil {
			t.Errorf("parseOrder(%q) = %q, want an error", text, got)
		}
	}
}

func fakeSysfs(t *testing.T, devices map[string]string, pci ...string) machine {
	t.Helper()
	root := t.TempDir()
	for name, number := range devices {
		dir := filepath.Join(root, "bus/virtio/devices", name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "device"), []byte(number+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range pci {
		if err := os.MkdirAll(filepath.Join(root, "bus/pci/devices", name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return machine{sysfs: root}
}

func TestNeedsSkipsModulesOfDevicesThatAreNotThere(t *testing.T) {
	m := fakeSysfs(t, map[string]string{"virtio0": "0x0002", "virtio1": "0x0003"})
	for module, want := range map[string]bool{
		"virtio": true, "virtio_mmio": true, "virtio_blk": true, "dm_snapshot": true,
		"virtio_console": true, "virtio_net": false, "failover": false, "virtio_rng": false, "vsock": false,
		"virtio_pci": false, "virtio_pci_modern_dev": false,
	} {
		if got := m.needs(module); got != want {
			t.Errorf("needs(%q) = %v, want %v", module, got, want)
		}
	}
}

func TestNeedsLoadsThePciBusWhenThereIsOne(t *testing.T) {
	if !fakeSysfs(t, nil, "0000:00:00.0").needs("virtio_pci_legacy_dev") {
		t.Fatal("not needed")
	}
}

func TestModuleNameTreatsDashAsUnderscore(t *testing.T) {
	if got := moduleName("virtio-rng.ko"); got != "virtio_rng" {
		t.Fatalf("got %q", got)
	}
}
