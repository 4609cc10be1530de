package policy

import (
	"net/netip"
	"strings"
	"time"

	"banger.dev/host/internal/net/policy/decisions"
	"banger.dev/host/internal/net/policy/rule"
)

// Types of DNS records that a policy treats apart.
const (
	typePTR   = 12
	typeSVCB  = 64
	typeHTTPS = 65
	typeANY   = 255
)

// Query decides whether a guest may ask for a name, which is in lower case and without its final dot.
func (p *Policy) Query(name string, recordType uint16) Decision {
	rules := p.current.Load()
	decision := p.query(rules, name, recordType)
	return p.record(decisions.Entry{Kind: "dns", Name: bounded(name)}, decision)
}

func (p *Policy) query(rules *ruleset, name string, recordType uint16) Decision {
	if rules.mode != Enforce {
		return allowed(string(rules.mode))
	}
	if recordType == typePTR {
		return p.reverse(rules, name)
	}
	found, isFound := rules.forName(name)
	if !isFound {
		if !rule.IsHost(name) {
			return refused("no rule allows the name", "")
		}
		return refused("no rule allows the name", name)
	}
	switch recordType {
	case typeSVCB, typeHTTPS:
		return refused("records of this type have keys for encrypted TLS hellos (ECH), whose names cannot be checked", "")
	case typeANY:
		return refused("a query must be for one type of records", "")
	}
	free := ""
	if found.IsWildcard {
		free = strings.TrimSuffix(name, "."+found.Host)
	}
	if reason := p.tunnels.Check(name, free); reason != "" {
		return refused(reason, wholeName(found, name))
	}
	return allowed(found.Name())
}

// wholeName returns the rule for a name that a wildcard allows only within the limits of tunnels, or
// nothing when a rule has the whole name already.
func wholeName(found rule.Rule, name string) string {
	if found.IsWildcard {
		return name
	}
	return ""
}

// reverse decides about the name of an address. It is allowed for addresses that the guest may reach: other
// queries could carry data to the servers of any address.
func (p *Policy) reverse(rules *ruleset, name string) Decision {
	address, isAddress := reverseAddress(name)
	if !isAddress {
		return refused("no rule allows the name", "")
	}
	if reason := p.tunnels.Check(name, ""); reason != "" {
		return refused(reason, "")
	}
	if found, isFound := rules.hasAddress(address); isFound {
		return allowed(found.Name())
	}
	for _, pinned := range p.pins.Of(address) {
		if found, isFound := rules.forName(pinned); isFound {
			return allowed(found.Name())
		}
	}
	return refused("no rule allows the address whose name it asks for", address.String())
}

// reverseAddress returns the address whose name a PTR query asks for.
func reverseAddress(name string) (netip.Addr, bool) {
	if rest, isV4 := strings.CutSuffix(name, ".in-addr.arpa"); isV4 {
		labels := strings.Split(rest, ".")
		if len(labels) != 4 {
			return netip.Addr{}, false
		}
		address, err := netip.ParseAddr(labels[3] + "." + labels[2] + "." + labels[1] + "." + labels[0])
		return address, err == nil
	}
	rest, isV6 := strings.CutSuffix(name, ".ip6.arpa")
	labels := strings.Split(rest, ".")
	if !isV6 || len(labels) != 32 {
		return netip.Addr{}, false
	}
	var text strings.Builder
	for at := 31; at >= 0; at-- {
		if len(labels[at]) != 1 {
			return netip.Addr{}, false
		}
		text.WriteString(labels[at])
		if at%4 == 0 && at > 0 {
			text.WriteByte(':')
		}
	}
	address, err := netip.ParseAddr(text.String())
	return address, err == nil
}

// Address is an address that a name has in DNS.
type Address struct {
	Address netip.Addr
	TTL     time.Duration
}

// Answer decides about the addresses in the answer to a query that was allowed. It pins them to the name
// that the guest asked for, whatever aliases led there. One address that the guest may not be led to
// refuses them all.
func (p *Policy) Answer(name string, addresses []Address) Decision {
	rules := p.current.Load()
	for _, each := range addresses {
		if decision := rules.answer(each.Address); !decision.IsAllowed {
			return p.record(decisions.Entry{Kind: "dns", Name: bounded(name), Address: each.Address.String()}, decision)
		}
	}
	for _, each := range addresses {
		p.pins.Add(name, each.Address, each.TTL)
	}
	return allowed(string(rules.mode))
}

// answer decides whether a name may lead to an address. A name with an address of a private network would let
// its owner choose what a guest reaches there (DNS rebinding).
func (r *ruleset) answer(address netip.Addr) Decision {
	class := rule.ClassOf(address)
	switch {
	case class == rule.Public:
		return allowed("")
	case class == rule.Unreachable && r.mode != Enforce:
		// The guest may be led to its own loopback; it does not leave the guest.
		return allowed("")
	case class == rule.Unreachable:
		return refused("the name leads to an address that no rule can allow", "")
	case class == rule.Private && r.mode != Enforce:
		return allowed("")
	}
	if found, isFound := r.hasAddress(address); isFound {
		return allowed(found.Name())
	}
	return refused("the name leads to a "+class.String()+" address, which only a rule for the address allows", ruleFor("tcp", address.String(), 0))
}

// bounded keeps names from the guest short in the log: DNS names are at most 253 bytes, but each byte may
// take several in JSON.
func bounded(name string) string {
	if len(name) > 253 {
		return name[:253]
	}
	return name
}
