package pid1

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// mountPoint is a file system and its place.
type mountPoint struct {
	kind, at string
	flags    uintptr
	data     string
}

// containerMounts are the file systems that the OCI runtime specification promises every container
// (config-linux.md, "Default Filesystems"), except /proc, /sys, /dev and /run, which are mounted already.
var containerMounts = []mountPoint{
	{"devpts", "/dev/pts", unix.MS_NOSUID | unix.MS_NOEXEC, "gid=5,mode=0620,ptmxmode=0666"},
	{"tmpfs", "/dev/shm", unix.MS_NOSUID | unix.MS_NODEV, "mode=1777"},
	{"mqueue", "/dev/mqueue", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
	{"cgroup2", "/sys/fs/cgroup", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, "nsdelegate,memory_recursiveprot"},
}

// deviceLinks are the links that the same specification promises.
var deviceLinks = map[string]string{
	"/dev/fd":     "/proc/self/fd",
	"/dev/stdin":  "/proc/self/fd/0",
	"/dev/stdout": "/proc/self/fd/1",
	"/dev/stderr": "/proc/self/fd/2",
}

// prepare sets up what programs written for containers expect. It reports a failure and continues with the
// rest: a program that needs the missing part will complain itself.
func prepare() []error {
	var failed []error
	note := func(err error) {
		if err != nil {
			failed = append(failed, err)
		}
	}
	for _, point := range containerMounts {
		note(mount(point))
	}
	for link, to := range deviceLinks {
		if err := os.Symlink(to, link); !errors.Is(err, os.ErrExist) {
			note(err)
		}
	}
	note(makeTmp())
	note(raiseLoopback())
	note(setHostname())
	return failed
}

func mount(point mountPoint) error {
	if err := os.MkdirAll(point.at, 0o755); err != nil {
		return err
	}
	err := unix.Mount(point.kind, point.at, point.kind, point.flags, point.data)
	if err != nil && !errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("mount %s on %s: %w", point.kind, point.at, err)
	}
	return nil
}

// makeTmp creates /tmp for images that lack it; as in a container, it is on the root.
func makeTmp() error {
	if err := os.Mkdir("/tmp", 0o777); err != nil {
		if errors.Is(err, os.ErrExist) {
			return nil
		}
		return err
	}
	return os.Chmod("/tmp", 0o777|os.ModeSticky)
}

func raiseLoopback() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("lo: %w", err)
	}
	defer unix.Close(socket)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return fmt.Errorf("lo: %w", err)
	}
	request.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request); err != nil {
		return fmt.Errorf("lo: %w", err)
	}
	return nil
}

func setHostname() error {
	text, err := os.ReadFile("/etc/hostname")
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	name := parseHostname(string(text))
	if name == "" {
		return nil
	}
	return unix.Sethostname([]byte(name))
}

// parseHostname parses hostname(5): the name is the first line that is neither empty nor a comment.
func parseHostname(text string) string {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "#") {
			return line
		}
	}
	return ""
}
