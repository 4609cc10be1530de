package server

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// vsockBacklog is how many hosts may wait for the one that is served to be gone.
const vsockBacklog = 8

// ListenVsock listens on a port of this VM's vsock and returns an opener (Options.OpenStream) that accepts
// one host after another. Programs of the guest, which can reach the port where the kernel loops vsocks back,
// are not hosts.
func ListenVsock(port uint32) (func(context.Context) (Stream, error), error) {
	fd, err := unix.Socket(unix.AF_VSOCK, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("create a vsock: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrVM{CID: unix.VMADDR_CID_ANY, Port: port}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("bind port %d of the vsock: %w", port, err)
	}
	if err := unix.Listen(fd, vsockBacklog); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("listen on port %d of the vsock: %w", port, err)
	}
	listener := &socketListener{file: os.NewFile(uintptr(fd), "vsock"), isHost: isVsockHost}
	return listener.open, nil
}

// isVsockHost reports whether peer is the host of this VM.
func isVsockHost(peer unix.Sockaddr) bool {
	address, isVsock := peer.(*unix.SockaddrVM)
	return isVsock && address.CID == unix.VMADDR_CID_HOST
}

// socketListener accepts hosts on a listening socket of any family, one after another.
type socketListener struct {
	file   *os.File
	isHost func(peer unix.Sockaddr) bool
}

// open waits for the next host and returns the stream to it. When ctx ends, it closes the socket.
func (l *socketListener) open(ctx context.Context) (Stream, error) {
	stop := context.AfterFunc(ctx, func() { l.file.Close() })
	defer stop()
	for {
		fd, peer, err := l.accept()
		if err != nil {
			return nil, err
		}
		if l.isHost(peer) {
			return os.NewFile(uintptr(fd), "host"), nil
		}
		unix.Close(fd)
	}
}

// accept waits for a connection.
func (l *socketListener) accept() (fd int, peer unix.Sockaddr, err error) {
	raw, err := l.file.SyscallConn()
	if err != nil {
		return 0, nil, err
	}
	waitErr := raw.Read(func(listening uintptr) bool {
		fd, peer, err = unix.Accept4(int(listening), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		return !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR)
	})
	if waitErr != nil {
		return 0, nil, waitErr
	}
	return fd, peer, err
}
