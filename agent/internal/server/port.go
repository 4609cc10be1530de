package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	virtioPorts = "/sys/class/virtio-ports"
	// The port appears once its driver is loaded, which may be a moment after the agent's start.
	portPollFirst = 2 * time.Millisecond
	portPollMax   = 200 * time.Millisecond
)

// OpenVirtioPort returns an opener (Options.OpenStream) for the virtio-serial port called name. Each stream
// lasts as long as one host is connected.
//
// The device is opened once and kept open: closing it would lose what the next host has sent already. While
// no host is connected, a read of the port returns an end of file at once, and poll returns POLLHUP. The
// opener waits for the wake-up that the driver sends when that changes, so an idle guest uses no processor
// time for it.
func OpenVirtioPort(name string) func(context.Context) (Stream, error) {
	p := &virtioPort{name: name}
	return p.open
}

type virtioPort struct {
	name string
	file *os.File
}

func (p *virtioPort) open(ctx context.Context) (Stream, error) {
	if p.file == nil {
		device, err := findPort(ctx, p.name)
		if err != nil {
			return nil, err
		}
		fd, err := unix.Open(device, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: device, Err: err}
		}
		p.file = os.NewFile(uintptr(fd), device)
	}
	if err := p.file.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { p.file.SetDeadline(longAgo) })
	defer stop()
	if err := p.waitForHost(); err != nil {
		return nil, err
	}
	return &virtioStream{file: p.file}, nil
}

func (p *virtioPort) waitForHost() error {
	raw, err := p.file.SyscallConn()
	if err != nil {
		return err
	}
	// Go's poller is edge-triggered: it calls this function once for each wake-up of the driver.
	return raw.Read(func(fd uintptr) bool {
		set := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		for {
			_, err := unix.Poll(set, 0)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			return err != nil || set[0].Revents&unix.POLLHUP == 0
		}
	})
}

// virtioStream is the port while one host is connected to it.
type virtioStream struct {
	file   *os.File
	mu     sync.Mutex
	closed bool
}

func (s *virtioStream) Read(p []byte) (int, error)  { return s.file.Read(p) }
func (s *virtioStream) Write(p []byte) (int, error) { return s.file.Write(p) }

func (s *virtioStream) SetDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return os.ErrClosed
	}
	return s.file.SetDeadline(t)
}

// Close interrupts reads and writes in progress and keeps the port open for the next stream.
func (s *virtioStream) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return s.file.SetDeadline(longAgo)
}

// findPort waits for the port called name, and returns the path of its device.
func findPort(ctx context.Context, name string) (string, error) {
	wait := portPollFirst
	for {
		names, err := filepath.Glob(virtioPorts + "/*/name")
		if err != nil {
			return "", err
		}
		for _, file := range names {
			content, err := os.ReadFile(file)
			if err == nil && strings.TrimSpace(string(content)) == name {
				return "/dev/" + filepath.Base(filepath.Dir(file)), nil
			}
		}
		pause(ctx, wait)
		if ctx.Err() != nil {
			return "", fmt.Errorf("no virtio port %q: %w", name, ctx.Err())
		}
		wait = min(2*wait, portPollMax)
	}
}

// ListenUnix listens on the Unix socket path and returns an opener (Options.OpenStream) that accepts one host
// after another. It replaces the port outside a VM. The socket is removed when the opener's context ends.
func ListenUnix(path string) (func(context.Context) (Stream, error), error) {
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (Stream, error) {
		stop := context.AfterFunc(ctx, func() { listener.Close() })
		defer stop()
		return listener.AcceptUnix()
	}, nil
}
