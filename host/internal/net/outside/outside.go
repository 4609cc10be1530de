// Package outside is a guest's network: it ends the guest's connections in a stack of its own and opens them
// again with sockets of this host, as far as a gate allows.
package outside

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"banger.dev/host/internal/net/gate"
	"banger.dev/host/internal/net/link"
	"banger.dev/host/internal/net/wire"
)

// Limits of one guest. Beyond them, the guest's new connections are refused or dropped, and nothing else.
const (
	maxConnections = 2048
	maxHalfOpen    = 512
	maxFlows       = 512
	maxPings       = 64
	maxQueries     = 256
)

// Counters of a guest's flows; they only grow, but for those that say how many are open.
type Counters struct {
	Connections, Flows, Pings, Queries, Refused, Failed atomic.Uint64
	OpenConnections, OpenFlows                          atomic.Int64
}

// Network is the network of one guest.
type Network struct {
	Counters Counters
	Link     *link.Endpoint

	stack     *stack.Stack
	gate      gate.Gate
	resolver  *resolver
	context   context.Context
	end       context.CancelFunc
	exposed   atomic.Pointer[map[uint16]bool]
	sockets   slots
	pings     slots
	queries   slots
	flowsLock sync.Mutex
	flows     map[*flow]struct{}
	log       func(format string, values ...any)
}

// New makes a network without a VMM and without exposed ports.
func New(decides gate.Gate, log func(format string, values ...any)) (*Network, error) {
	network := &Network{
		Link: link.New(), gate: decides, resolver: newResolver(resolvConf), log: log,
		sockets: newSlots(maxConnections), pings: newSlots(maxPings), queries: newSlots(maxQueries),
		flows: map[*flow]struct{}{},
	}
	network.context, network.end = context.WithCancel(context.Background())
	network.Expose(nil)
	var err error
	if network.stack, err = network.newStack(); err != nil {
		return nil, err
	}
	network.Link.Intercept = network.intercept
	return network, nil
}

// Expose lets the guest reach these ports of this host's loopback at the gateway's address, and no others.
// Open connections to a port that is no longer exposed stay.
func (n *Network) Expose(ports []uint16) {
	exposed := make(map[uint16]bool, len(ports))
	for _, port := range ports {
		exposed[port] = true
	}
	n.exposed.Store(&exposed)
}

// Close ends all connections.
func (n *Network) Close() {
	n.end()
	n.Link.Disconnect()
	n.stack.Close()
}

// route returns where on this host's network a flow of the guest leads, in order of preference, and whether
// it may.
func (n *Network) route(proto gate.Proto, to netip.AddrPort) ([]netip.AddrPort, gate.Verdict) {
	address := to.Addr()
	switch {
	case wire.IsGateway(address) && proto != gate.ICMP:
		if !(*n.exposed.Load())[to.Port()] {
			return nil, gate.Verdict{Rule: "host", Reason: "the port of this host is not exposed to the guest"}
		}
		loopback := []netip.AddrPort{
			netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), to.Port()),
			netip.AddrPortFrom(netip.IPv6Loopback(), to.Port()),
		}
		if address.Is6() {
			loopback[0], loopback[1] = loopback[1], loopback[0]
		}
		return loopback, gate.Verdict{Allowed: true, Rule: "host"}
	case wire.Link4.Contains(address), wire.Link6.Contains(address):
		return nil, gate.Verdict{Rule: "link", Reason: "the guest is alone on its link"}
	}
	if why := gate.Floor(address); why != "" {
		return nil, gate.Verdict{Rule: "floor", Reason: why}
	}
	return []netip.AddrPort{to}, n.gate.Dial(proto, to)
}

// slots counts what may exist at once.
type slots chan struct{}

func newSlots(count int) slots { return make(slots, count) }

func (s slots) take() bool {
	select {
	case s <- struct{}{}:
		return true
	default:
		return false
	}
}

func (s slots) release() { <-s }
