package server

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
)

// The first descriptor that systemd passes (sd_listen_fds(3)).
const firstDescriptor = 3

// Activated returns the socket that systemd listens on for us: exactly one, in a place of the file system
// that only the user `owner` and root can use.
func Activated(owner uint32) (*net.UnixListener, error) {
	pid, _ := strconv.Atoi(os.Getenv("LISTEN_PID"))
	if pid != os.Getpid() || os.Getenv("LISTEN_FDS") != "1" {
		return nil, errors.New("systemd passes no socket: bangerd-root.socket starts this program")
	}
	syscall.CloseOnExec(firstDescriptor)
	file := os.NewFile(firstDescriptor, "socket")
	defer file.Close()
	listener, err := net.FileListener(file)
	if err != nil {
		return nil, fmt.Errorf("what systemd passes is no listening socket: %w", err)
	}
	unix, is := listener.(*net.UnixListener)
	if !is {
		listener.Close()
		return nil, errors.New("what systemd passes is not a Unix socket")
	}
	unix.SetUnlinkOnClose(false)
	if err := checkPlace(unix.Addr().String(), owner); err != nil {
		unix.Close()
		return nil, err
	}
	return unix, nil
}

func checkPlace(path string, owner uint32) error {
	info, err := os.Lstat(path)
	if err != nil {
		return fmt.Errorf("the socket has no place in the file system: %w", err)
	}
	stat, isKnown := info.Sys().(*syscall.Stat_t)
	if !isKnown || info.Mode().Type() != os.ModeSocket || stat.Uid != owner || info.Mode().Perm()&0o177 != 0 {
		return fmt.Errorf("%s must be a socket with mode 0600 of the user %d", path, owner)
	}
	return nil
}
