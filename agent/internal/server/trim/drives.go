package trim

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// GuestDrives returns the drives of a guest: the root, of which only the part after the image is trimmed, and
// the work disk. overlayBytes and workBytes are what their drives take on the host, nil if that is unknown.
func GuestDrives(overlayBytes, workBytes *uint64) []Drive {
	imageBytes := sizeOfDrive("/sys", "root")
	return []Drive{
		// The image's part of the root is a snapshot with chunks of 4 KiB, each of which would be a discard
		// of its own.
		{Mount: "/", From: imageBytes, HostBytes: overlayBytes, SharedBytes: imageBytes},
		{Mount: "/root", HostBytes: workBytes},
	}
}

// sizeOfDrive returns the size of the block device with this serial, or 0 when there is none.
func sizeOfDrive(sysfs, serial string) uint64 {
	folders, _ := filepath.Glob(filepath.Join(sysfs, "block/*"))
	for _, folder := range folders {
		text, err := os.ReadFile(filepath.Join(folder, "serial"))
		if err != nil || strings.TrimSpace(string(text)) != serial {
			continue
		}
		size, err := os.ReadFile(filepath.Join(folder, "size"))
		if err != nil {
			return 0
		}
		sectors, err := strconv.ParseUint(strings.TrimSpace(string(size)), 10, 64)
		if err != nil {
			return 0
		}
		return sectors * 512
	}
	return 0
}
