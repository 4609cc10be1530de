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
	// the name that led the guest to the destination, if there is one
	Name string
	// what the guest sends has to pass a Guard; TCP only
	NeedsGuard bool
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
	// Refused notes a destination that was refused without asking the gate: on this host, or below the floor.
	Refused(proto Proto, to netip.AddrPort, reason string)
	// Guard returns the guard of a connection whose verdict of Dial asked for one.
	Guard(to netip.AddrPort) Guard
	// Keeps reports whether a connection or flow that Dial allowed, for a name or none, would still be allowed.
	Keeps(proto Proto, to netip.AddrPort, name string) bool
	// Close releases what the gate holds.
	Close() error
}

// Guard checks what a guest sends on one connection. Only Keeps may be called by several goroutines at once.
type Guard interface {
	// Inspect takes the next bytes of the guest. It returns those that may leave now, which are valid until the
	// next call, and whether the connection must end.
	Inspect(data []byte) (send []byte, mustEnd bool)
	// IsOpen reports whether the rest of the connection may leave unseen.
	IsOpen() bool
	// IsWaiting reports whether bytes are held back until the guest sends more.
	IsWaiting() bool
	// Expire is called when the guest has not sent more within GuardDeadline, or never will. It reports whether
	// the connection must end.
	Expire() bool
	// Keeps is Gate's, for this connection.
	Keeps() bool
	// Close releases what the guard holds. It may be called more than once.
	Close()
}

// GuardDeadline is how long bytes are held back.
const GuardDeadline = 10 * time.Second

// Open is the gate of a guest that may reach everything outside this host, except what Credentials names.
type Open struct{}

var everything = Verdict{Allowed: true, Rule: "everything"}

func (Open) Query(string, uint16) Verdict                { return everything }
func (Open) Answers(string, []string, []Address) Verdict { return everything }
func (Open) Dial(_ Proto, to netip.AddrPort) Verdict {
	if why := Credentials(to.Addr()); why != "" {
		return Verdict{Rule: "credentials", Reason: why}
	}
	return everything
}
func (Open) Refused(Proto, netip.AddrPort, string)    {}
func (Open) Guard(netip.AddrPort) Guard               { return nil }
func (Open) Keeps(Proto, netip.AddrPort, string) bool { return true }
func (Open) Close() error                             { return nil }
