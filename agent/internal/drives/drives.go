// Package drives finds the block devices that the host gave a serial, or a place in its order
// (docs/agent-protocol.md).
package drives

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"banger.dev/agent/internal/cmdline"
)

// Serials of the drives.
const (
	Root    = "root"
	Overlay = "overlay"
	Work    = "work"
	Modules = "modules"
)

// SectorBytes is the unit of sizes in sysfs.
const SectorBytes = 512

const pollEvery = 5 * time.Millisecond

// Drive is a block device to which the host gave a serial or a place in its order.
type Drive struct {
	// Path of its node in /dev.
	Path string
	// Dev is "major:minor".
	Dev     string
	Sectors uint64
}

// Wait returns the drives by serial as soon as all the required ones have appeared. See Find for order.
func Wait(sysfs string, required, order []string, deadline time.Duration) (map[string]Drive, error) {
	for endsAt := time.Now().Add(deadline); ; time.Sleep(pollEvery) {
		found := Find(sysfs, order)
		missing := slices.DeleteFunc(slices.Clone(required), func(serial string) bool {
			_, isThere := found[serial]
			return isThere
		})
		if len(missing) == 0 {
			return found, nil
		}
		if time.Now().After(endsAt) {
			return nil, fmt.Errorf("no drive with serial %s after %v, found %s",
				strings.Join(missing, ", "), deadline, describe(found))
		}
	}
}

// Here returns the drives of this VM, by serial.
func Here() map[string]Drive {
	// A command line that cannot be read says nothing about an order.
	options, _ := cmdline.Read()
	return Find("/sys", options.DriveOrder())
}

// Find returns the drives that there are, by serial. The serials in order, if there are any, are those of the
// first virtio devices; the devices' own serials then mean nothing.
func Find(sysfs string, order []string) map[string]Drive {
	found := map[string]Drive{}
	dirs, _ := filepath.Glob(filepath.Join(sysfs, "block/*"))
	for _, dir := range dirs {
		serial := readTrimmed(filepath.Join(dir, "serial"))
		if len(order) > 0 {
			serial = serialAt(order, filepath.Base(dir))
		}
		sectors, err := strconv.ParseUint(readTrimmed(filepath.Join(dir, "size")), 10, 64)
		if serial == "" || err != nil {
			continue
		}
		found[serial] = Drive{
			Path:    filepath.Join("/dev", filepath.Base(dir)),
			Dev:     readTrimmed(filepath.Join(dir, "dev")),
			Sectors: sectors,
		}
	}
	return found
}

// serialAt returns the serial of the device called name: vda is the first one of the order. It returns "" for
// a device that is not in the order.
func serialAt(order []string, name string) string {
	letter, isVirtio := strings.CutPrefix(name, "vd")
	if !isVirtio || len(letter) != 1 {
		return ""
	}
	if at := int(letter[0]) - 'a'; at >= 0 && at < len(order) {
		return order[at]
	}
	return ""
}

func describe(found map[string]Drive) string {
	if len(found) == 0 {
		return "none"
	}
	var names []string
	for serial := range found {
		names = append(names, strconv.Quote(serial))
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// readTrimmed returns the content of a sysfs file, or "" when it cannot be read.
func readTrimmed(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
