// Package rule has the rules of an egress policy: which names, addresses and ports a guest may reach.
//
//	HOST[:PORTS]        one name; *.HOST for all names below it
//	ADDRESS[:PORTS]     one address, or a CIDR; IPv6 with ports in brackets: [2001:db8::/32]:443
//	tcp/RULE, udp/RULE  the protocol; TCP when there is none
//
// PORTS is a port or a range like 8000-8100; without it the rule is for all ports. The host replaces presets
// (@npm) by rules before they come here.
package rule

import (
	"net/netip"
	"strconv"
	"strings"
)

// Protocol is the transport that a rule is for.
type Protocol string

// The protocols.
const (
	TCP Protocol = "tcp"
	UDP Protocol = "udp"
)

// Ports is a range of ports, both ends included.
type Ports struct{ First, Last uint16 }

// AllPorts is the range of a rule without ports.
var AllPorts = Ports{First: 1, Last: 65535}

// Has reports whether port is in the range.
func (p Ports) Has(port uint16) bool { return p.First <= port && port <= p.Last }

func (p Ports) String() string {
	if p.First == p.Last {
		return strconv.Itoa(int(p.First))
	}
	return strconv.Itoa(int(p.First)) + "-" + strconv.Itoa(int(p.Last))
}

// Rule allows a guest to reach either a name or addresses.
type Rule struct {
	Protocol Protocol
	// Host is the name in lower case, without its final dot. It is empty in a rule for addresses.
	Host string
	// IsWildcard is true when the rule is for the names below Host and not for Host itself.
	IsWildcard bool
	// Prefix holds the addresses. It is not valid in a rule for a name.
	Prefix netip.Prefix
	Ports  Ports
	// From is the preset that the rule came from, like @npm, or empty.
	From string
}

// IsName reports whether the rule is for names.
func (r Rule) IsName() bool { return r.Host != "" }

// HasName reports whether the rule is for name, which is in lower case and has no final dot.
func (r Rule) HasName(name string) bool {
	switch {
	case r.Host == "":
		return false
	case r.IsWildcard:
		return len(name) > len(r.Host)+1 && strings.HasSuffix(name, r.Host) && name[len(name)-len(r.Host)-1] == '.'
	default:
		return name == r.Host
	}
}

// HasAddress reports whether the rule is for address.
func (r Rule) HasAddress(address netip.Addr) bool {
	return r.Prefix.IsValid() && r.Prefix.Contains(address.Unmap().WithZone(""))
}

// HasPort reports whether the rule is for a port of a protocol.
func (r Rule) HasPort(protocol Protocol, port uint16) bool {
	return r.Protocol == protocol && r.Ports.Has(port)
}

// Covers reports whether everything that other allows is allowed by r too.
func (r Rule) Covers(other Rule) bool {
	if r.Protocol != other.Protocol || r.Ports.First > other.Ports.First || r.Ports.Last < other.Ports.Last {
		return false
	}
	if !r.IsName() {
		return other.Prefix.IsValid() && r.Prefix.Bits() <= other.Prefix.Bits() && r.Prefix.Contains(other.Prefix.Addr())
	}
	if !other.IsName() {
		return false
	}
	if other.IsWildcard {
		return r.IsWildcard && (r.Host == other.Host || r.HasName(other.Host))
	}
	return r.HasName(other.Host)
}

// String returns the rule in the shortest form that Parse reads as the same rule.
func (r Rule) String() string {
	target := r.Host
	switch {
	case r.IsWildcard:
		target = "*." + r.Host
	case r.Prefix.IsValid():
		target = r.addresses()
	}
	if r.Ports != AllPorts {
		target += ":" + r.Ports.String()
	}
	if r.Protocol == UDP {
		return "udp/" + target
	}
	return target
}

// Name returns what the user wrote: the preset or the rule.
func (r Rule) Name() string {
	if r.From != "" {
		return r.From
	}
	return r.String()
}

func (r Rule) addresses() string {
	text := r.Prefix.String()
	if r.Prefix.IsSingleIP() {
		text = r.Prefix.Addr().String()
	}
	if r.Prefix.Addr().Is6() && r.Ports != AllPorts {
		return "[" + text + "]"
	}
	return text
}
