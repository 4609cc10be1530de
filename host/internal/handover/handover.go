// Package handover gives a QEMU that may not make Unix sockets itself a connection to one.
package handover

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// ControlFd is the descriptor of the connection to QEMU's control socket. The caller reads its answers and
// writes nothing to it meanwhile.
const ControlFd = 3

// sendDeadline is how long QEMU may take to make room for one line.
const sendDeadline = 5 * time.Second

type request struct {
	Execute   string            `json:"execute"`
	Arguments map[string]string `json:"arguments"`
	ID        int               `json:"id"`
}

// Run connects to the socket that is args[0] and sends the connection to QEMU as the answer-bearing request
// args[2], in which QEMU learns its name, args[1] (QMP's getfd).
func Run(args []string) error {
	if len(args) != 3 {
		return errors.New("connect: a socket, a name and the number of the request are needed")
	}
	id, err := strconv.Atoi(args[2])
	if err != nil {
		return fmt.Errorf("connect: %q is no number of a request", args[2])
	}
	line, err := json.Marshal(request{Execute: "getfd", Arguments: map[string]string{"fdname": args[1]}, ID: id})
	if err != nil {
		return err
	}
	connection, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("connect: cannot make a socket: %w", err)
	}
	defer unix.Close(connection)
	if err := unix.Connect(connection, &unix.SockaddrUnix{Name: args[0]}); err != nil {
		return fmt.Errorf("connect: cannot connect to %q: %w", args[0], err)
	}
	return send(ControlFd, append(line, '\n'), connection)
}

// send writes line whole, with descriptor. The control connection does not block, for it is its owner's too.
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
			// The descriptor has gone with the first bytes.
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
		return errors.New("connect: QEMU reads nothing")
	}
	return nil
}
