package policy

import (
	"net/netip"
	"slices"
	"sync/atomic"

	"banger.dev/host/internal/net/policy/decisions"
	"banger.dev/host/internal/net/policy/learn"
	"banger.dev/host/internal/net/policy/rule"
	"banger.dev/host/internal/net/policy/sniff"
)

// Guard checks what a guest sends on one connection whose Decision asked for that. It is not safe for
// concurrent use. The owner calls Close in the end.
type Guard struct {
	policy *Policy
	to     netip.AddrPort
	sniff  *sniff.Guard
	// name is the server that the connection turned out to be for, once that is known.
	name atomic.Pointer[string]
	// learned is where to remember that, or nil in a guard that enforces rules.
	learned *learn.Recorder
}

// NewGuard returns the guard of a connection. When the policy learns, the guard only watches.
func (p *Policy) NewGuard(to netip.AddrPort) *Guard {
	guard := &Guard{policy: p, to: to, learned: p.current.Load().learned}
	guard.sniff = sniff.NewGuard(guard.judge, p.budget)
	return guard
}

// IsOpen reports whether the rest of the connection needs no Guard.
func (g *Guard) IsOpen() bool { return g.sniff.IsOpen() }

// IsWaiting reports whether bytes are held back. The owner then calls Expire after sniff.Deadline without
// another call of Inspect.
func (g *Guard) IsWaiting() bool { return g.learned == nil && g.sniff.IsWaiting() }

// Inspect takes the next bytes from the guest. It returns those that may be sent now, which are valid until
// the next call, and whether the connection must end.
func (g *Guard) Inspect(data []byte) (send []byte, mustEnd bool) {
	send, refusal := g.sniff.Inspect(data)
	if g.learned != nil {
		return data, false
	}
	if refusal != nil {
		g.refuse(refusal)
	}
	return send, refusal != nil
}

// Expire ends a connection whose guest did not send the rest in time, and reports whether it must end.
func (g *Guard) Expire() (mustEnd bool) {
	if !g.IsWaiting() {
		return false
	}
	g.refuse(g.sniff.Expire())
	return true
}

// Close releases what is held. A guard that learns remembers the connection then.
func (g *Guard) Close() {
	g.sniff.Close()
	if g.learned == nil {
		return
	}
	address := g.to.Addr().Unmap()
	name := g.server()
	if pinned := g.policy.pins.Of(address); name == "" && len(pinned) > 0 {
		name = pinned[len(pinned)-1]
	}
	g.learned.Add(learn.Use{Protocol: rule.TCP, Name: name, Address: address, Port: g.to.Port()})
	g.learned = nil
}

// Keeps reports whether the connection would still be allowed. It may be called at any time.
func (g *Guard) Keeps() bool { return g.policy.Keeps(rule.TCP, g.to, g.server()) }

// server returns the server that the connection is for, or nothing while that is not known.
func (g *Guard) server() string {
	if name := g.name.Load(); name != nil {
		return *name
	}
	return ""
}

func (g *Guard) refuse(refusal *sniff.Refusal) {
	address := g.to.Addr().Unmap().String()
	allow := ruleFor("tcp", address, g.to.Port())
	if refusal.Name != "" {
		port := g.to.Port()
		if refusal.Port != 0 {
			port = refusal.Port
		}
		allow = ruleFor("tcp", refusal.Name, port)
	}
	entry := decisions.Entry{Kind: "tcp", Name: refusal.Name, Address: address, Port: g.to.Port()}
	g.policy.record(entry, refused(refusal.Reason, allow))
}

// judge decides about the server that a connection turns out to be for.
func (g *Guard) judge(server sniff.Server) *sniff.Refusal {
	rules := g.policy.current.Load()
	if rules.mode != Enforce {
		if g.learned != nil && server.Kind != "proxy" && rule.IsHost(server.Name) {
			g.name.Store(&server.Name)
		}
		return nil
	}
	if server.Kind == "proxy" {
		return judgeProxied(rules, server)
	}
	pinned := slices.Contains(g.policy.pins.Of(g.to.Addr()), server.Name)
	_, isAllowed := rules.forNamePort(server.Name, rule.TCP, g.to.Port())
	switch {
	case isAllowed && (pinned || g.server() == server.Name):
		g.name.Store(&server.Name)
		return nil
	case isAllowed:
		return &sniff.Refusal{Reason: "the server that it names was not resolved to this address", Name: server.Name}
	default:
		return &sniff.Refusal{Reason: "it names a server that no rule allows", Name: server.Name}
	}
}

// judgeProxied decides about the server that a proxy is to reach for the guest.
func judgeProxied(rules *ruleset, server sniff.Server) *sniff.Refusal {
	isAllowed := false
	if address, err := netip.ParseAddr(server.Name); err == nil {
		_, isAllowed = rules.forAddress(address, rule.TCP, server.Port)
	} else {
		_, isAllowed = rules.forNamePort(server.Name, rule.TCP, server.Port)
	}
	if isAllowed {
		return nil
	}
	return &sniff.Refusal{Reason: "it asks a proxy for a server that no rule allows", Name: server.Name, Port: server.Port}
}
