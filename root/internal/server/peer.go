package server

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// Caller is the process at the other end of a connection, as the kernel knows it.
type Caller struct {
	UID uint32
	PID int32
}

func peerOf(conn *net.UnixConn) (Caller, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return Caller{}, err
	}
	var found *unix.Ucred
	var failed error
	if err := raw.Control(func(fd uintptr) {
		found, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return Caller{}, err
	}
	if failed != nil {
		return Caller{}, fmt.Errorf("the kernel does not say who calls: %w", failed)
	}
	return Caller{found.Uid, found.Pid}, nil
}
