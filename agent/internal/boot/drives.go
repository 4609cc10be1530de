package boot

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Serials of the drives (docs/agent-protocol.md).
const (
	serialRoot    = "root"
	serialOverlay = "overlay"
	serialWork    = "work"
	serialModules = "modules"
)

const (
	drivesDeadline  = 20 * time.Second
	drivesPollEvery = 5 * time.Millisecond
)

// drive is a block device to which the host gave a serial.
type drive struct {
	// path of its node in /dev.
	path string
	// dev is "major:minor".
	dev     string
	sectors uint64
}

// waitForDrives returns the drives by serial as soon as all the required ones have appeared.
func waitForDrives(sysfs string, required []string, deadline time.Duration) (map[string]drive, error) {
	for endsAt := time.Now().Add(deadline); ; time.Sleep(drivesPollEvery) {
		found := findDrives(sysfs)
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

func findDrives(sysfs string) map[string]drive {
	found := map[string]drive{}
	dirs, _ := filepath.Glob(filepath.Join(sysfs, "block/*"))
	for _, dir := range dirs {
		serial := readTrimmed(filepath.Join(dir, "serial"))
		sectors, err := strconv.ParseUint(readTrimmed(filepath.Join(dir, "size")), 10, 64)
		if serial == "" || err != nil {
			continue
		}
		found[serial] = drive{
			path:    filepath.Join("/dev", filepath.Base(dir)),
			dev:     readTrimmed(filepath.Join(dir, "dev")),
			sectors: sectors,
		}
	}
	return found
}

func describe(found map[string]drive) string {
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
