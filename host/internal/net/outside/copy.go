package outside

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// A connection holds a buffer only while bytes move, so that idle connections need no memory for one.
const copyBytes = 64 << 10

var buffers = sync.Pool{New: func() any {
	buffer := make([]byte, copyBytes)
	return &buffer
}}

// receive waits until the host's socket has something, and reads it into a buffer, which the caller puts
// back; none is held while it waits. The buffer is nil when the socket was closed.
func receive(raw syscall.RawConn) (held *[]byte, count int, failure error) {
	waited := raw.Read(func(descriptor uintptr) bool {
		held = buffers.Get().(*[]byte)
		for {
			count, failure = unix.Read(int(descriptor), *held)
			if failure != unix.EINTR {
				break
			}
		}
		if failure == unix.EAGAIN {
			buffers.Put(held)
			return false
		}
		return true
	})
	if waited != nil {
		return nil, 0, waited
	}
	return held, count, failure
}

// downstream copies from the host's socket to the guest until the host's side ends; nil means in order.
func downstream(host syscall.Conn, guest io.Writer) error {
	raw, err := host.SyscallConn()
	if err != nil {
		return err
	}
	for {
		held, count, failure := receive(raw)
		if held == nil {
			return failure
		}
		isOver := failure != nil || count == 0
		if !isOver {
			_, failure = guest.Write((*held)[:count])
		}
		buffers.Put(held)
		if isOver || failure != nil {
			return failure
		}
	}
}

// upstream copies from the guest to the host until the guest's side ends; nil means in order.
func upstream(guest *guestConn, host net.Conn) error {
	// Small until the guest sends much at once.
	buffer := make([]byte, 2<<10)
	for {
		count, err := guest.Read(buffer)
		if count > 0 {
			if _, err := host.Write(buffer[:count]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if count == len(buffer) && len(buffer) < copyBytes {
			buffer = make([]byte, 2*len(buffer))
		}
	}
}
