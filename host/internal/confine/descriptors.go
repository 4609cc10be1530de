package confine

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// first descriptor behind stdin, stdout and stderr
const firstOwn = 3

// makeSockets makes the sockets that the program listens on, so that it needs no right to make sockets
// itself.
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

// keepDescriptors gives the sockets the descriptors 3, 4, ... and the console's pipe the next, puts the other
// pipe in the place of stdout and stderr, and lets exec close everything behind. The Go runtime's own
// descriptors may be overwritten: nothing may wait on it any more.
func keepDescriptors(given []int, logs *logPipes) error {
	if logs != nil {
		given = append(given, logs.console)
	}
	end := firstOwn + len(given)
	// Out of the way of one another first.
	for at, descriptor := range given {
		moved, err := unix.FcntlInt(uintptr(descriptor), unix.F_DUPFD_CLOEXEC, end)
		if err != nil {
			return fmt.Errorf("confine: cannot copy a descriptor: %w", err)
		}
		given[at] = moved
	}
	var outputs []int
	if logs != nil {
		own, err := unix.FcntlInt(uintptr(logs.own), unix.F_DUPFD_CLOEXEC, end)
		if err != nil {
			return fmt.Errorf("confine: cannot copy a descriptor: %w", err)
		}
		outputs = []int{own, own}
	}
	for at, descriptor := range append(outputs, given...) {
		if err := unix.Dup3(descriptor, firstOwn-len(outputs)+at, 0); err != nil {
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
