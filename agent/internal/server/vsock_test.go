package server

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// listenHere listens on a socket of this machine in place of the vsock, which a machine may lack.
func listenHere(t *testing.T, isHost func(unix.Sockaddr) bool) (*socketListener, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, vsockBacklog); err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), path)
	t.Cleanup(func() { file.Close() })
	return &socketListener{file: file, isHost: isHost}, path
}

func anyHost(unix.Sockaddr) bool { return true }

func dial(t *testing.T, path string) net.Conn {
	t.Helper()
	connection, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	return connection
}

func TestASocketListenerAcceptsOneHostAfterAnother(t *testing.T) {
	listener, path := listenHere(t, anyHost)
	for _, word := range []string{"first", "second"} {
		host := dial(t, path)
		stream, err := listener.open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(host, word); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(word))
		if _, err := io.ReadFull(stream, got); err != nil || string(got) != word {
			t.Errorf("read %q, %v; want %q", got, err, word)
		}
		host.Close()
		if _, err := stream.Read(got); !errors.Is(err, io.EOF) {
			t.Errorf("after the host hung up: %v", err)
		}
		stream.Close()
	}
}

func TestADeadlineInterruptsAReadOfAStream(t *testing.T) {
	listener, path := listenHere(t, anyHost)
	dial(t, path)
	stream, err := listener.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	time.AfterFunc(10*time.Millisecond, func() { _ = stream.SetDeadline(longAgo) })
	if _, err := stream.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestAPeerThatIsNoHostIsHungUpOn(t *testing.T) {
	calls := 0
	listener, path := listenHere(t, func(unix.Sockaddr) bool { calls++; return calls > 1 })
	stranger, host := dial(t, path), dial(t, path)
	stream, err := listener.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if _, err := stranger.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the stranger read: %v", err)
	}
	if _, err := stream.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := host.Read(make([]byte, 1)); err != nil {
		t.Errorf("the host read: %v", err)
	}
}

func TestTheEndOfTheContextEndsTheWaitForAHost(t *testing.T) {
	listener, _ := listenHere(t, anyHost)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if stream, err := listener.open(ctx); err == nil {
		t.Errorf("got %v", stream)
	}
}

func TestOnlyTheHostOfTheVmIsOne(t *testing.T) {
	for _, c := range []struct {
		peer unix.Sockaddr
		want bool
	}{
		{&unix.SockaddrVM{CID: unix.VMADDR_CID_HOST, Port: 7}, true},
		{&unix.SockaddrVM{CID: unix.VMADDR_CID_LOCAL, Port: 7}, false},
		{&unix.SockaddrVM{CID: 3, Port: 7}, false},
		{&unix.SockaddrVM{CID: unix.VMADDR_CID_HYPERVISOR}, false},
		{&unix.SockaddrUnix{Name: "/s"}, false},
		{nil, false},
	} {
		if got := isVsockHost(c.peer); got != c.want {
			t.Errorf("%+v: %v", c.peer, got)
		}
	}
}

func TestAVsockListensUntilItsContextEnds(t *testing.T) {
	const port = 0x62616e67
	open, err := ListenVsock(port)
	if errors.Is(err, unix.EAFNOSUPPORT) {
		t.Skip("this machine's kernel has no vsock")
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ListenVsock(port); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("the same port again: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if stream, err := open(ctx); err == nil {
		t.Errorf("got %v", stream)
	}
	if _, err := ListenVsock(port); err != nil {
		t.Errorf("after the end: %v", err)
	}
}
