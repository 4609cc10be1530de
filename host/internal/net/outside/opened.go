package outside

import (
	"net/netip"

	"banger.dev/host/internal/net/gate"
)

// opened is a connection or flow that the gate has allowed.
type opened struct {
	proto gate.Proto
	to    netip.AddrPort
	name  string
	guard gate.Guard
	end   func()
}

// open remembers something that the gate has allowed, until the function that it returns is called.
func (n *Network) open(proto gate.Proto, to netip.AddrPort, name string, guard gate.Guard, end func()) func() {
	one := &opened{proto: proto, to: to, name: name, guard: guard, end: end}
	n.openedLock.Lock()
	defer n.openedLock.Unlock()
	n.opened[one] = struct{}{}
	return func() {
		n.openedLock.Lock()
		defer n.openedLock.Unlock()
		delete(n.opened, one)
	}
}

// Recheck ends all connections and flows that the gate, which has changed, no longer allows.
func (n *Network) Recheck() {
	n.openedLock.Lock()
	var ended []*opened
	for one := range n.opened {
		if !n.keeps(one) {
			ended = append(ended, one)
		}
	}
	n.openedLock.Unlock()
	for _, one := range ended {
		n.Counters.Refused.Add(1)
		one.end()
	}
}

func (n *Network) keeps(one *opened) bool {
	switch {
	case isOfHost(one.to.Addr()):
		return true
	case one.guard != nil:
		return one.guard.Keeps()
	default:
		return n.gate.Keeps(one.proto, one.to, one.name)
	}
}
