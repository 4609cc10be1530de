package boot

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// mountPoint is a kernel file system and its place.
type mountPoint struct {
	kind  string
	at    string
	flags uintptr
	data  string
}

const apiFlags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC

// kernelMounts are the file systems that the agent itself and every init need. Flags and options are those of
// systemd (src/shared/mount-setup.c), which does not mount them again.
var kernelMounts = []mountPoint{
	{"proc", "/proc", apiFlags, ""},
	{"sysfs", "/sys", apiFlags, ""},
	{"devtmpfs", "/dev", unix.MS_NOSUID | unix.MS_STRICTATIME, "mode=0755"},
}

var runMount = mountPoint{"tmpfs", "/run", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_STRICTATIME, "mode=0755,size=20%,nr_inodes=800k"}

func mountAll(points []mountPoint) error {
	for _, point := range points {
		if err := mountOne(point); err != nil {
			return err
		}
	}
	return nil
}

// mountOne mounts a file system, and creates its mount point when that is missing. It does nothing when the
// file system is already mounted.
func mountOne(point mountPoint) error {
	if err := os.MkdirAll(point.at, 0o755); err != nil {
		return err
	}
	err := unix.Mount(point.kind, point.at, point.kind, point.flags, point.data)
	if err != nil && !errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("mount %s on %s: %w", point.kind, point.at, err)
	}
	return nil
}
