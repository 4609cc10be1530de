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
	// orderFile lists the module files of the initramfs, one name a line, each after all it needs.
	orderFile = modulesDir + "/order"
)

// onlyFor names the modules that are of use for one kind of virtio device only, by the device's number
// (virtio specification 1.2, section 5). They are not loaded without one: the kernel checks each module's
// signature, which costs milliseconds under emulation. The root needs none of them, nor does any other
// module, so they are loaded while the root is made.
var onlyFor = map[string]int{
	"failover": 1, "net_failover": 1, "virtio_net": 1,
	"virtio_console": 3,
	"virtio_rng":     4,
	"vsock":          19, "vmw_vsock_virtio_transport_common": 19, "vmw_vsock_virtio_transport": 19,
}

// pciPrefix starts the names of the modules that only a machine with PCI devices needs.
const pciPrefix = "virtio_pci"

// parseOrder reads the order file. A name with a slash or without ".ko" is refused: it did not come from our
// builder.
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

// moduleName is the kernel's name of the module in a file: "-" and "_" are one.
func moduleName(file string) string {
	return strings.ReplaceAll(strings.TrimSuffix(file, ".ko"), "-", "_")
}

// moduleLists are the modules of the initramfs in load order: those that the root needs, and those of other
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

// loadModules loads modules in order. One that fails is reported and skipped: what it was for is missed
// later, with a better message, or never.
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

// machine tells what is plugged in.
type machine struct {
	sysfs string
}

// needs tells whether a module can be of use. The virtio devices are known as soon as the bus's module
// (virtio_mmio, virtio_pci), which comes before all that onlyFor names, is loaded.
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
