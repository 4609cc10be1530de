package policy

import (
	"net/netip"

	"banger.dev/host/internal/net/policy/decisions"
	"banger.dev/host/internal/net/policy/learn"
	"banger.dev/host/internal/net/policy/rule"
)

// Connect decides about a TCP connection, or about the first datagram of a UDP flow. kind is tcp or udp.
func (p *Policy) Connect(kind rule.Protocol, to netip.AddrPort) Decision {
	rules, address := p.current.Load(), to.Addr().Unmap()
	pinned := p.pins.Of(address)
	entry := decisions.Entry{Kind: string(kind), Address: address.String(), Port: to.Port()}
	if len(pinned) > 0 {
		entry.Name = pinned[len(pinned)-1]
	}
	decision := connect(rules, kind, to, pinned, &entry)
	decision = p.record(entry, decision)
	decision.Name = entry.Name
	if decision.IsAllowed && rules.learned != nil && !decision.NeedsGuard {
		rules.learned.Add(learn.Use{Protocol: kind, Name: entry.Name, Address: address, Port: to.Port()})
	}
	return decision
}

// connect also sets the name in the entry to the one that decided.
func connect(rules *ruleset, kind rule.Protocol, to netip.AddrPort, pinned []string, entry *decisions.Entry) Decision {
	address := to.Addr().Unmap()
	if reason := rules.floor(address); reason != "" {
		allow := ""
		if rule.ClassOf(address) != rule.Unreachable {
			allow = ruleFor(string(kind), address.String(), to.Port())
		}
		return refused(reason, allow)
	}
	if rules.mode != Enforce {
		decision := allowed(string(rules.mode))
		// Several names lead there: what the guest sends tells which it wants.
		decision.NeedsGuard = rules.mode == Learn && kind == rule.TCP && len(pinned) > 1
		return decision
	}
	if found, isFound := rules.forAddress(address, kind, to.Port()); isFound {
		return allowed(found.Name())
	}
	name, decision := rules.connectByName(kind, to, pinned)
	if name != "" {
		entry.Name = name
	}
	return decision
}

// connectByName decides by the names that lead to an address, the newest first. It also returns the one that
// decided.
func (r *ruleset) connectByName(kind rule.Protocol, to netip.AddrPort, pinned []string) (string, Decision) {
	address, named := to.Addr().Unmap(), ""
	for at := len(pinned) - 1; at >= 0; at-- {
		name := pinned[at]
		if found, isFound := r.forNamePort(name, kind, to.Port()); isFound {
			if decision := r.answer(address); !decision.IsAllowed {
				return name, refused(decision.Reason, ruleFor(string(kind), address.String(), to.Port()))
			}
			decision := allowed(found.Name())
			decision.NeedsGuard = kind == rule.TCP
			return name, decision
		}
		if _, isNamed := r.forName(name); isNamed && named == "" {
			named = name
		}
	}
	switch {
	case named != "":
		return named, refused("no rule allows this port of the name", ruleFor(string(kind), named, to.Port()))
	case len(pinned) > 0:
		name := pinned[len(pinned)-1]
		return name, refused("no rule allows the name that leads there", ruleFor(string(kind), name, to.Port()))
	default:
		return "", refused(notResolved, ruleFor(string(kind), address.String(), to.Port()))
	}
}

const notResolved = "no rule allows the address, and no name that the guest has resolved leads there"

// Keeps reports whether a connection or flow that was allowed, for a name or none, would still be. It logs
// nothing, and does not mind that the name's pin may have expired since.
func (p *Policy) Keeps(kind rule.Protocol, to netip.AddrPort, name string) bool {
	rules, address := p.current.Load(), to.Addr().Unmap()
	if rules.floor(address) != "" {
		return false
	}
	if rules.mode != Enforce {
		return true
	}
	if _, isFound := rules.forAddress(address, kind, to.Port()); isFound {
		return true
	}
	names := []string{name}
	if name == "" {
		names = p.pins.Of(address)
	}
	for _, name := range names {
		if _, isFound := rules.forNamePort(name, kind, to.Port()); isFound {
			return rules.answer(address).IsAllowed
		}
	}
	return false
}

// Ping decides about an ICMP echo request. A guest may ping the addresses that it may reach some port of.
func (p *Policy) Ping(address netip.Addr) Decision {
	address = address.Unmap()
	rules := p.current.Load()
	entry := decisions.Entry{Kind: "icmp", Address: address.String()}
	decision := p.ping(rules, address, &entry)
	return p.record(entry, decision)
}

func (p *Policy) ping(rules *ruleset, address netip.Addr, entry *decisions.Entry) Decision {
	if reason := rules.floor(address); reason != "" {
		return refused(reason, "")
	}
	if rules.mode != Enforce {
		return allowed(string(rules.mode))
	}
	if found, isFound := rules.hasAddress(address); isFound {
		return allowed(found.Name())
	}
	for _, name := range p.pins.Of(address) {
		if found, isFound := rules.forName(name); isFound && rules.answer(address).IsAllowed {
			entry.Name = name
			return allowed(found.Name())
		}
	}
	return refused(notResolved, address.String())
}
