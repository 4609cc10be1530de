package boot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	modulesDir = "/modules"
	// orderFile lists the module files of the initramfs, one name per line, each after the modules that it
	// needs.
	orderFile = modulesDir + "/order"
)

// onlyFor lists the modules that serve only one kind of virtio device, with the number of that kind (virtio
// specification 1.2, section 5). Without such a device they are not loaded, because the kernel checks each
// module's signature, which costs milliseconds under emulation. Neither the root nor any other module needs
// them, so they are loaded while the root is made.
var onlyFor = map[string]int{
	"failover": 1, "net_failover": 1, "virtio_net": 1,
	"virtio_console": 3,
	"virtio_rng":     4,
	"vsock":          19, "vmw_vsock_virtio_transport_common": 19, "vmw_vsock_virtio_transport": 19,
}

// pciPrefix begins the names of the modules that only a machine with PCI devices needs.
const pciPrefix = "virtio_pci"

// parseOrder parses the order file. It rejects a name with a slash or without ".ko": our builder writes no
// such names.
func parseOrder(text string) ([]string, error) {
	var files []string
	for line := range strings.Lines(text) {
		name := strings.TrimSpace(line)
		if name == "" {
			continue
		}
		if strings.Contains(name, "/") || !strings.HasSuffix(name, ".ko") || slices.Contains(files, name) {
			return nil, fmt.Errorf("%s: bad name %q", orderFile, name)
		}
		files = append(files, name)
	}
	return files, nil
}

// moduleName returns the kernel's name of the module in a file. The kernel does not distinguish "-" from "_".
func moduleName(file string) string {
	return strings.ReplaceAll(strings.TrimSuffix(file, ".ko"), "-", "_")
}

// moduleLists holds the modules of the initramfs in load order: those that the root needs, and those of other
// devices.
type moduleLists struct {
	root, devices []string
}

func readModuleLists() (moduleLists, error) {
	text, err := os.ReadFile(orderFile)
	if errors.Is(err, os.ErrNotExist) {
		return moduleLists{}, nil
	}
	if err != nil {
		return moduleLists{}, err
	}
	files, err := parseOrder(string(text))
	return splitOrder(files), err
}

func splitOrder(files []string) moduleLists {
	var lists moduleLists
	for _, file := range files {
		if _, isDevice := onlyFor[moduleName(file)]; isDevice {
			lists.devices = append(lists.devices, file)
		} else {
			lists.root = append(lists.root, file)
		}
	}
	return lists
}

// loadModules loads modules in order. It reports and skips one that fails: if the boot needs it, a later
// stage fails with a better message.
func loadModules(files []string, report func(string)) error {
	devices := machine{sysfs: "/sys"}
	for _, file := range files {
		if !devices.needs(moduleName(file)) {
			continue
		}
		if err := loadModule(filepath.Join(modulesDir, file)); err != nil {
			report(fmt.Sprintf("module %s: %v", file, err))
		}
	}
	return nil
}

func loadModule(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := unix.FinitModule(int(file.Fd()), "", 0); err != nil && !errors.Is(err, unix.EEXIST) {
		return err
	}
	return nil
}

// machine lists the devices of this VM.
type machine struct {
	sysfs string
}

// needs reports whether this VM has a device for the module. The virtio devices are known once the bus's
// module (virtio_mmio, virtio_pci) is loaded, and the order file lists that before every module in onlyFor.
func (m machine) needs(module string) bool {
	if strings.HasPrefix(module, pciPrefix) {
		devices, _ := filepath.Glob(filepath.Join(m.sysfs, "bus/pci/devices/*"))
		return len(devices) > 0
	}
	number, isSpecial := onlyFor[module]
	return !isSpecial || slices.Contains(m.virtioDevices(), number)
}

func (m machine) virtioDevices() []int {
	files, _ := filepath.Glob(filepath.Join(m.sysfs, "bus/virtio/devices/*/device"))
	var numbers []int
	for _, file := range files {
		var number int
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if _, err := fmt.Sscanf(string(text), "0x%x", &number); err == nil {
			numbers = append(numbers, number)
		}
	}
	return numbers
}
