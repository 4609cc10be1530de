package confine

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// first descriptor after stdin, stdout and stderr
const firstOwn = 3

// makeSockets creates the sockets on which the program listens, so that it needs no right to create sockets.
func (p *Plan) makeSockets() ([]int, error) {
	var sockets []int
	for _, path := range p.Listen {
		socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("confine: cannot create a socket: %w", err)
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

// keepDescriptors moves the sockets to the descriptors 3, 4, ... and the console's pipe to the next one,
// replaces stdout and stderr by the other pipe, and marks all further descriptors close-on-exec. It may
// overwrite descriptors of the Go runtime, so nothing may wait on the runtime's poller afterwards.
func keepDescriptors(given []int, logs *logPipes) error {
	if logs != nil {
		given = append(given, logs.console)
	}
	end := firstOwn + len(given)
	// First to free numbers, so that no move overwrites another descriptor in the list.
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

// closeOnExecFrom marks every descriptor from first on as close-on-exec. Linux has a call for that since
// 5.11.
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
