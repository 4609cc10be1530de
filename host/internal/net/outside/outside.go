// Package outside is a guest's network: it ends the guest's connections in a stack of its own and opens them
// again with sockets of this host, as far as a gate allows.
package outside

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"banger.dev/host/internal/net/gate"
	"banger.dev/host/internal/net/link"
	"banger.dev/host/internal/net/secrets"
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
	// puts secrets into requests of the guest; nil: there are none
	Secrets *secrets.Proxy

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
	// connections and flows that the gate has allowed, to be checked again when it changes
	openedLock sync.Mutex
	opened     map[*opened]struct{}
	connect    func(context.Context, netip.AddrPort) (*net.TCPConn, error)
	log        func(format string, values ...any)
}

// New makes a network without a VMM and without exposed ports.
func New(decides gate.Gate, log func(format string, values ...any)) (*Network, error) {
	network := &Network{
		Link: link.New(), gate: decides, resolver: newResolver(resolvConf), log: log,
		sockets: newSlots(maxConnections), pings: newSlots(maxPings), queries: newSlots(maxQueries),
		flows: map[*flow]struct{}{}, opened: map[*opened]struct{}{}, connect: connect,
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
	if n.Secrets != nil {
		n.Secrets.Close()
	}
	n.Link.Disconnect()
	n.stack.Close()
}

// targets returns where on this host's network a flow of the guest leads, in order of preference, or why it
// leads nowhere.
func (n *Network) targets(proto gate.Proto, to netip.AddrPort) ([]netip.AddrPort, string) {
	address := to.Addr()
	switch {
	case wire.IsGateway(address) && proto != gate.ICMP:
		if !(*n.exposed.Load())[to.Port()] {
			return nil, "the port of this host is not exposed to the guest"
		}
		loopback := []netip.AddrPort{
			netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), to.Port()),
			netip.AddrPortFrom(netip.IPv6Loopback(), to.Port()),
		}
		if address.Is6() {
			loopback[0], loopback[1] = loopback[1], loopback[0]
		}
		return loopback, ""
	case isOfHost(address):
		return nil, "the guest is alone on its link"
	}
	return []netip.AddrPort{to}, gate.Floor(address)
}

// isOfHost reports whether an address is on the guest's link, where only this program is.
func isOfHost(address netip.Addr) bool {
	return wire.Link4.Contains(address) || wire.Link6.Contains(address)
}

// route returns the targets of a new flow of the guest, and whether it may reach them.
func (n *Network) route(proto gate.Proto, to netip.AddrPort) ([]netip.AddrPort, gate.Verdict) {
	targets, why := n.targets(proto, to)
	switch {
	case why != "":
		n.gate.Refused(proto, to, why)
		return nil, gate.Verdict{Rule: "host", Reason: why}
	case isOfHost(to.Addr()):
		return targets, gate.Verdict{Allowed: true, Rule: "host"}
	default:
		return targets, n.gate.Dial(proto, to)
	}
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
