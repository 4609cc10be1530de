// Package handover gives a connection to a Unix socket to a QEMU that may not create Unix sockets.
package handover

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// ControlFd is the descriptor of the connection to QEMU's control socket. Meanwhile the caller must read
// QEMU's answers from it and must not write to it.
const ControlFd = 3

// sendDeadline bounds the time until QEMU makes room for one line.
const sendDeadline = 5 * time.Second

type request struct {
	Execute   string            `json:"execute"`
	Arguments map[string]string `json:"arguments"`
	ID        int               `json:"id"`
}

// Run connects to the socket args[0] and sends the connection to QEMU with QMP's getfd, under the name
// args[1]. args[2] is the id of that request, which QEMU's answer repeats.
func Run(args []string) error {
	if len(args) != 3 {
		return errors.New("connect: the arguments must be SOCKET NAME REQUEST")
	}
	id, err := strconv.Atoi(args[2])
	if err != nil {
		return fmt.Errorf("connect: %q is not the number of a request", args[2])
	}
	line, err := json.Marshal(request{Execute: "getfd", Arguments: map[string]string{"fdname": args[1]}, ID: id})
	if err != nil {
		return err
	}
	connection, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("connect: cannot create a socket: %w", err)
	}
	defer unix.Close(connection)
	if err := unix.Connect(connection, &unix.SockaddrUnix{Name: args[0]}); err != nil {
		return fmt.Errorf("connect: cannot connect to %q: %w", args[0], err)
	}
	return send(ControlFd, append(line, '\n'), connection)
}

// send writes the whole line together with descriptor. The control connection is non-blocking, because its
// owner uses it, too.
func send(control int, line []byte, descriptor int) error {
	rights := unix.UnixRights(descriptor)
	for len(line) > 0 {
		sent, err := unix.SendmsgN(control, line, rights, nil, unix.MSG_NOSIGNAL)
		switch {
		case err == unix.EAGAIN:
			if err := waitForRoom(control); err != nil {
				return err
			}
		case err == unix.EINTR:
		case err != nil:
			return fmt.Errorf("connect: cannot write to QEMU: %w", err)
		default:
			// The descriptor was sent with the first bytes.
			line, rights = line[sent:], nil
		}
	}
	return nil
}

func waitForRoom(control int) error {
	waiting := []unix.PollFd{{Fd: int32(control), Events: unix.POLLOUT}}
	count, err := unix.Poll(waiting, int(sendDeadline.Milliseconds()))
	if err != nil && err != unix.EINTR {
		return fmt.Errorf("connect: cannot wait for QEMU: %w", err)
	}
	if err == nil && count == 0 {
		return errors.New("connect: QEMU does not read its control socket")
	}
	return nil
}
