// Package sniff reads the first bytes that a guest sends on a TCP connection, to find which server they are
// for: the server name of TLS, and the host of each plain HTTP request. It holds back what it has not yet
// checked.
package sniff

import (
	"net/netip"
	"sync/atomic"
	"time"
)

// Deadline is how long a guest may take to send the rest of what a Guard holds.
const Deadline = 10 * time.Second

// maxHeldBytes bounds what one connection holds: a TLS hello or the head of a request.
const maxHeldBytes = 32 * 1024

// Server is what a client says about the server that it wants to reach.
type Server struct {
	// Kind is "tls", "http" or, for a request that a proxy is to pass on, "proxy".
	Kind string
	// Name is a host name or, except for TLS, an address.
	Name string
	// Port is the port that a proxy is to connect to; else 0.
	Port uint16
}

// Refusal is why a connection must end.
type Refusal struct {
	Reason string
	// Name is the server that the client wanted, or empty when it is not known.
	Name string
	// Port is the one that it asked a proxy for, or 0.
	Port uint16
}

func (r *Refusal) Error() string { return r.Reason }

// Judge returns why a client may not reach a server, or nil.
type Judge func(Server) *Refusal

// Budget bounds what all Guards of a guest hold together.
type Budget struct {
	held atomic.Int64
	max  int64
}

// NewBudget returns a budget of max bytes.
func NewBudget(max int64) *Budget { return &Budget{max: max} }

// Held returns how many bytes are held now.
func (b *Budget) Held() int64 { return b.held.Load() }

type phase int

const (
	// start is before the first bytes of a protocol.
	start phase = iota
	helloPhase
	// recordPhase follows TLS after the first hello, because a server may ask for a second one.
	recordPhase
	headPhase
	bodyPhase
	chunkPhase
	// open connections need no more checks.
	open
)

// Guard checks what a guest sends on one connection. It is not safe for concurrent use.
type Guard struct {
	judge  Judge
	budget *Budget
	phase  phase
	held   []byte
	// scanned is how many bytes of the input have been searched for the end of a head.
	scanned int
	hello   assembly
	// hasEarlyData is that of the first hello, isSecond whether a second hello is being read.
	hasEarlyData, isSecond bool
	// left is how many bytes of a body or record pass unread.
	left   int64
	chunks chunks
	head   head
	// tunnel is the server at the end of a proxy's tunnel, or empty.
	tunnel  string
	failure *Refusal
}

// NewGuard returns a guard of a new connection.
func NewGuard(judge Judge, budget *Budget) *Guard { return &Guard{judge: judge, budget: budget} }

// IsOpen reports whether the rest of the connection needs no Guard.
func (g *Guard) IsOpen() bool { return g.phase == open && g.failure == nil }

// IsWaiting reports whether bytes are held. The caller then ends the connection after Deadline, with Expire.
func (g *Guard) IsWaiting() bool { return len(g.held) > 0 }

// Expire ends the inspection of a connection whose rest did not come in time.
func (g *Guard) Expire() *Refusal {
	return g.fail(&Refusal{Reason: "it did not say in time which server it is for"})
}

// Close releases what is held. It may be called more than once.
func (g *Guard) Close() { g.hold(nil) }

// Inspect takes the next bytes from the guest. It returns those that may be sent to the server, which are
// valid until the next call, or why the connection must end.
func (g *Guard) Inspect(data []byte) ([]byte, *Refusal) {
	if g.failure != nil {
		return nil, g.failure
	}
	if g.IsOpen() || len(data) == 0 {
		return data, nil
	}
	input := data
	if len(g.held) > 0 {
		input = append(g.held, data...)
	}
	used := 0
	for used < len(input) && g.phase != open {
		count, refusal := g.step(input[used:])
		if refusal != nil {
			return nil, g.fail(refusal)
		}
		if count == 0 {
			break
		}
		used += count
	}
	if g.phase == open {
		used = len(input)
	}
	rest := input[used:]
	if used > 0 || len(g.held) == 0 {
		rest = append([]byte(nil), rest...)
	}
	if refusal := g.hold(rest); refusal != nil {
		return nil, refusal
	}
	return input[:used], nil
}

// hold replaces what is held and accounts for it.
func (g *Guard) hold(bytes []byte) *Refusal {
	change := int64(len(bytes)) - int64(len(g.held))
	if g.budget.held.Add(change) > g.budget.max && change > 0 {
		g.held = bytes
		return g.fail(&Refusal{Reason: "too many connections have not yet said which server they are for"})
	}
	g.held = bytes
	if len(bytes) > maxHeldBytes {
		return g.fail(&Refusal{Reason: "the beginning of what it sends is too long to be checked"})
	}
	return nil
}

func (g *Guard) fail(refusal *Refusal) *Refusal {
	if g.failure == nil {
		g.failure = refusal
	}
	if len(g.held) > 0 {
		g.budget.held.Add(-int64(len(g.held)))
		g.held = nil
	}
	return g.failure
}

func isAddress(text string) bool {
	_, err := netip.ParseAddr(text)
	return err == nil
}
