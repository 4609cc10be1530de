package outside

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"banger.dev/host/internal/net/gate"
	"banger.dev/host/internal/net/wire"
)

// connectDeadline bounds an attempt to connect; a host that does not answer holds one of maxHalfOpen.
const connectDeadline = 30 * time.Second

// acceptTCP connects the guest with where it wants to, if it may. The guest's own connection succeeds only
// once the other one has, so that it sees a refusal as one.
func (n *Network) acceptTCP(request *tcp.ForwarderRequest) {
	to := destination(request.ID())
	if wire.IsNameserver(to.Addr()) && to.Port() == 53 {
		n.acceptTCPQueries(request)
		return
	}
	targets, verdict := n.route(gate.TCP, to)
	if !verdict.Allowed {
		n.Counters.Refused.Add(1)
		request.Complete(true)
		return
	}
	if !n.sockets.take() {
		n.Counters.Failed.Add(1)
		request.Complete(true)
		return
	}
	defer n.sockets.release()
	host, err := n.dial(targets)
	if err != nil {
		n.Counters.Failed.Add(1)
		request.Complete(true)
		return
	}
	defer host.Close()
	guest := n.accept(request)
	if guest == nil {
		return
	}
	defer guest.abort()
	n.Counters.Connections.Add(1)
	n.Counters.OpenConnections.Add(1)
	defer n.Counters.OpenConnections.Add(-1)
	var guard gate.Guard
	if verdict.NeedsGuard {
		guard = n.gate.Guard(to)
		defer guard.Close()
	}
	defer n.open(gate.TCP, to, verdict.Name, guard, func() {
		guest.abort()
		reset(host)
	})()
	if !n.secure(guest, host, to, targets, guard) {
		n.relay(guest, host, guard)
	}
}

// guestConn is a connection of the guest that this program has accepted.
type guestConn struct {
	*gonet.TCPConn
	endpoint tcpip.Endpoint
	// the guest has sent its last byte, and that it is the last
	sawEnd atomic.Bool
	// read already, and to be read again
	early []byte
}

func (g *guestConn) Read(into []byte) (int, error) {
	if len(g.early) == 0 {
		return g.TCPConn.Read(into)
	}
	count := copy(into, g.early)
	if g.early = g.early[count:]; len(g.early) == 0 {
		g.early = nil
	}
	return count, nil
}

// abort resets the connection unless both sides have ended it.
func (g *guestConn) abort() {
	if !g.hasEnded() {
		g.endpoint.Abort()
	}
}

func (g *guestConn) hasEnded() bool {
	switch tcp.EndpointState(g.endpoint.State()) {
	case tcp.StateClose, tcp.StateError, tcp.StateTimeWait:
		return true
	case tcp.StateFinWait2:
		// The guest has acknowledged this side's end. The stack forgets the guest's own end if that came with
		// the last packet of the handshake.
		return g.sawEnd.Load()
	}
	return false
}

// accept finishes the guest's handshake; nil means that the guest has gone.
func (n *Network) accept(request *tcp.ForwarderRequest) *guestConn {
	var queue waiter.Queue
	endpoint, err := request.CreateEndpoint(&queue)
	if err != nil {
		request.Complete(true)
		return nil
	}
	request.Complete(false)
	endpoint.SocketOptions().SetDelayOption(false)
	endpoint.SocketOptions().SetKeepAlive(true)
	return &guestConn{TCPConn: gonet.NewTCPConn(&queue, endpoint), endpoint: endpoint}
}

// connect opens one connection of this host.
func connect(ctx context.Context, target netip.AddrPort) (*net.TCPConn, error) {
	dialer := net.Dialer{KeepAlive: time.Minute}
	connection, err := dialer.DialContext(ctx, "tcp", target.String())
	if err != nil {
		return nil, err
	}
	return connection.(*net.TCPConn), nil
}

func (n *Network) dial(targets []netip.AddrPort) (*net.TCPConn, error) {
	deadline, cancel := context.WithTimeout(n.context, connectDeadline)
	defer cancel()
	var failure error
	for _, target := range targets {
		connection, err := n.connect(deadline, target)
		if err == nil {
			return connection, nil
		}
		failure = err
		if !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, syscall.EADDRNOTAVAIL) {
			break
		}
	}
	return nil, failure
}

// relay carries bytes in both directions until both have ended, or one has failed.
func (n *Network) relay(guest *guestConn, host *net.TCPConn, guard gate.Guard) {
	stop := context.AfterFunc(n.context, func() {
		host.Close()
		guest.abort()
	})
	defer stop()
	var both sync.WaitGroup
	both.Add(1)
	go func() {
		defer both.Done()
		if err := n.guarded(guest, host, guard); err != nil {
			reset(host)
			guest.abort()
		} else {
			guest.sawEnd.Store(true)
			_ = host.CloseWrite()
		}
	}()
	if err := downstream(host, guest); err != nil {
		guest.abort()
		reset(host)
	} else {
		_ = guest.CloseWrite()
	}
	both.Wait()
	// Bytes that the guest has not read yet, and the ends of both directions, are still on their way.
	_ = guest.Close()
	n.linger(guest)
}

// reset ends a connection in a way that the other side does not take for a regular end.
func reset(host *net.TCPConn) {
	_ = host.SetLinger(0)
	_ = host.Close()
}

// lingerDeadline bounds the time in which a guest may fetch the last bytes of a connection that has ended.
const lingerDeadline = 30 * time.Second

func (n *Network) linger(guest *guestConn) {
	ends := time.Now().Add(lingerDeadline)
	for wait := time.Millisecond; !guest.hasEnded() && time.Now().Before(ends); wait = min(2*wait, time.Second) {
		select {
		case <-time.After(wait):
		case <-n.context.Done():
			return
		}
	}
}
