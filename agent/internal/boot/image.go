package boot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"banger.dev/agent/internal/drives"
)

const (
	// agentDir belongs to the agent for as long as the VM runs.
	agentDir  = "/run/banger"
	agentPath = agentDir + "/agent"
)

// installAgent copies the running program out of the initramfs. It maps the program and writes it in one
// call: under emulation that takes half the time of a copy through a buffer.
func installAgent(to string) error {
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer self.Close()
	info, err := self.Stat()
	if err != nil {
		return err
	}
	program, err := unix.Mmap(int(self.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_POPULATE)
	if err != nil {
		return fmt.Errorf("map %s: %w", self.Name(), err)
	}
	return os.WriteFile(to, program, 0o755)
}

// mountModules mounts the kernel's modules where modprobe(8) looks for them, unless the image has its own
// modules for this kernel.
func mountModules(modules drives.Drive) error {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return err
	}
	at := filepath.Join("/lib/modules", unix.ByteSliceToString(name.Release[:]))
	if _, err := os.Stat(filepath.Join(at, "modules.dep")); err == nil {
		return nil
	}
	if err := os.MkdirAll(at, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(modules.Path, at, "ext4", unix.MS_RDONLY|unix.MS_NODEV|unix.MS_NOSUID, ""); err != nil {
		return fmt.Errorf("mount %s on %s: %w", modules.Path, at, err)
	}
	return nil
}

// systemdPaths are where systemd is, with a merged /usr and without.
var systemdPaths = []string{"/usr/lib/systemd/systemd", "/lib/systemd/systemd"}

// findSystemd returns the path of the image's systemd, or "" when it has none. No other init (busybox,
// OpenRC, sysvinit) is started: in container images it is a left-over that has no services to start.
func findSystemd(root string) (string, error) {
	for _, path := range systemdPaths {
		if isProgram(filepath.Join(root, path)) {
			return path, nil
		}
	}
	target, err := os.Readlink(filepath.Join(root, "/sbin/init"))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.EINVAL) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if filepath.Base(target) == "systemd" {
		return "/sbin/init", nil
	}
	return "", nil
}

func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}
