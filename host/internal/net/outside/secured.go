package outside

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"banger.dev/host/internal/net/gate"
	"banger.dev/host/internal/net/policy/sniff"
)

// secure carries a connection to a server of secrets, if it is one, and reports whether it did. Other
// connections to the same port are left as they were, with what was read of them put back.
func (n *Network) secure(guest *guestConn, host *net.TCPConn, to netip.AddrPort, targets []netip.AddrPort, guard gate.Guard) bool {
	if n.Secrets == nil || !n.Secrets.HasPort(to.Port()) {
		return false
	}
	name := n.firstServer(guest, host)
	if name == "" || !n.Secrets.Has(name, to.Port()) {
		return false
	}
	if guard != nil {
		if _, mustEnd := guard.Inspect(guest.early); mustEnd {
			n.Counters.Refused.Add(1)
			reset(host)
			return true
		}
	}
	stop := context.AfterFunc(n.context, guest.abort)
	defer stop()
	dial := func(ctx context.Context) (net.Conn, error) { return n.dialWithin(ctx, targets) }
	if err := n.Secrets.Serve(guest, name, to.Port(), host, dial); err != nil {
		n.Counters.Failed.Add(1)
	}
	_ = guest.Close()
	n.linger(guest)
	return true
}

// firstServer returns the server that the guest's TLS hello names; nothing when the guest does not begin with
// one, or the host's side speaks first. What it has read is guest.early.
func (n *Network) firstServer(guest *guestConn, host *net.TCPConn) string {
	var waiting sync.WaitGroup
	waiting.Add(1)
	go func() {
		defer waiting.Done()
		if hostSpeaks(host) {
			_ = guest.SetReadDeadline(time.Now())
		}
	}()
	defer func() {
		_ = host.SetReadDeadline(time.Now())
		waiting.Wait()
		_ = host.SetReadDeadline(time.Time{})
		_ = guest.SetReadDeadline(time.Time{})
	}()
	var seen []byte
	defer func() { guest.early = seen }()
	buffer := make([]byte, 4<<10)
	for {
		count, err := guest.Read(buffer)
		seen = append(seen, buffer[:count]...)
		hello, isMore, isHello := sniff.FirstHello(seen)
		if isHello {
			return hello.Name
		}
		if !isMore || err != nil {
			// After an error, the next read has it again.
			return ""
		}
	}
}

// hostSpeaks waits until the host's socket has something or has ended, or its deadline has passed.
func hostSpeaks(host *net.TCPConn) bool {
	raw, err := host.SyscallConn()
	if err != nil {
		return true
	}
	speaks := false
	_ = raw.Read(func(descriptor uintptr) bool {
		var one [1]byte
		_, _, err := unix.Recvfrom(int(descriptor), one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		speaks = err != unix.EAGAIN && err != unix.EINTR
		return speaks
	})
	return speaks
}

// dialWithin opens one more connection for a server that the guest has reached already.
func (n *Network) dialWithin(ctx context.Context, targets []netip.AddrPort) (net.Conn, error) {
	if !n.sockets.take() {
		return nil, errFull
	}
	connection, err := n.dial(targets)
	if err != nil {
		n.sockets.release()
		return nil, err
	}
	if ctx.Err() != nil {
		connection.Close()
		n.sockets.release()
		return nil, ctx.Err()
	}
	return &counted{TCPConn: connection, release: sync.OnceFunc(n.sockets.release)}, nil
}

// counted gives its place back when it is closed.
type counted struct {
	*net.TCPConn
	release func()
}

func (c *counted) Close() error {
	c.release()
	return c.TCPConn.Close()
}
