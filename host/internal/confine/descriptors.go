package confine

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// first descriptor behind stdin, stdout and stderr
const firstOwn = 3

// makeSockets makes the sockets that the program listens on, so that it needs no right to make sockets itself.
func (p *Plan) makeSockets() ([]int, error) {
	var sockets []int
	for _, path := range p.Listen {
		socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("confine: cannot make a socket: %w", err)
		}
		if err := unix.Bind(socket, &unix.SockaddrUnix{Name: path}); err != nil {
			return nil, fmt.Errorf("confine: cannot bind %q: %w", path, err)
		}
		if err := unix.Listen(socket, 1); err != nil {
			return nil, fmt.Errorf("confine: cannot listen on %q: %w", path, err)
		}
		sockets = append(sockets, socket)
	}
	return sockets, nil
}

// keepDescriptors gives the sockets the descriptors 3, 4, ... and lets exec close everything behind them. The Go runtime's
// own descriptors may be overwritten: nothing may wait on it any more.
func keepDescriptors(sockets []int) error {
	end := firstOwn + len(sockets)
	// Out of the way of one another first.
	for at, socket := range sockets {
		moved, err := unix.FcntlInt(uintptr(socket), unix.F_DUPFD_CLOEXEC, end)
		if err != nil {
			return fmt.Errorf("confine: cannot copy a descriptor: %w", err)
		}
		sockets[at] = moved
	}
	for at, socket := range sockets {
		if err := unix.Dup3(socket, firstOwn+at, 0); err != nil {
			return fmt.Errorf("confine: cannot copy a descriptor: %w", err)
		}
	}
	return closeOnExecFrom(end)
}

// closeOnExecFrom marks every descriptor from first on. Linux has a call for it since 5.11.
func closeOnExecFrom(first int) error {
	if unix.CloseRange(uint(first), ^uint(0)>>32, unix.CLOSE_RANGE_CLOEXEC) == nil {
		return nil
	}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return fmt.Errorf("confine: cannot list the open descriptors: %w", err)
	}
	for _, entry := range entries {
		if number, err := strconv.Atoi(entry.Name()); err == nil && number >= first {
			unix.CloseOnExec(number)
		}
	}
	return nil
}
