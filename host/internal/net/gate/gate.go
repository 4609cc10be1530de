// Package gate says what a guest's network may do. The network's stack asks a Gate before any packet leaves
// the host; whatever the gate answers, some destinations are never reached (see Floor).
package gate

import (
	"net/netip"
	"time"
)

// Proto is the protocol of a flow.
type Proto string

const (
	TCP Proto = "tcp"
	UDP Proto = "udp"
	// ICMP flows are pings; their port is 0.
	ICMP Proto = "icmp"
)

// Verdict is a gate's answer.
type Verdict struct {
	Allowed bool
	// what decided: a rule as the user wrote it, or the name of a rule that always holds
	Rule string
	// for people: why
	Reason string
	// the first bytes of the connection have to be shown to Inspect before any of them leaves; TCP only
	NeedsInspection bool
}

// Address is one address that a name resolved to.
type Address struct {
	Addr netip.Addr
	TTL  time.Duration
}

// Gate decides. Its methods are called by many goroutines at once, must not block for longer than a write to
// a local file takes, and get only destinations outside this host. Names have no final dot and are in lower
// case.
type Gate interface {
	// Query decides whether the guest may ask for a name. A refused query is answered with REFUSED.
	Query(name string, qtype uint16) Verdict
	// Answers is called with all addresses that an allowed query of the guest was answered with, before the
	// guest gets them; canonical are the names of the CNAME chain after name. A refused answer becomes
	// REFUSED.
	Answers(name string, canonical []string, addresses []Address) Verdict
	// Dial decides about a new connection, or about the first datagram to a destination.
	Dial(proto Proto, to netip.AddrPort) Verdict
	// Inspect decides again once the guest has sent the first bytes of a connection whose verdict of Dial
	// asked for that. more is true as long as the gate needs more bytes to decide than it has been shown; the
	// stack then calls again with all bytes so far, and refuses the connection after MaxInspected bytes or
	// InspectDeadline.
	Inspect(to netip.AddrPort, first []byte) (verdict Verdict, more bool)
	// Close releases what the gate holds.
	Close() error
}

// Limits of what an inspection waits for.
const (
	MaxInspected    = 16 << 10
	InspectDeadline = 10 * time.Second
)

// Open is the gate of a guest that may reach everything outside this host.
type Open struct{}

var everything = Verdict{Allowed: true, Rule: "everything"}

func (Open) Query(string, uint16) Verdict                { return everything }
func (Open) Answers(string, []string, []Address) Verdict { return everything }
func (Open) Dial(Proto, netip.AddrPort) Verdict          { return everything }
func (Open) Inspect(netip.AddrPort, []byte) (Verdict, bool) {
	return everything, false
}
func (Open) Close() error { return nil }
