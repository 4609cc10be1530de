package rule

import (
	"encoding/binary"
	"net/netip"
)

// Class says how far away an address is.
type Class int

// The classes of addresses.
const (
	// Public addresses are on the internet.
	Public Class = iota
	// Private addresses are on networks near the host.
	Private
	// LinkLocal addresses are on one link. Clouds serve the host's credentials on some of them.
	LinkLocal
	// Metadata addresses are those on which clouds serve credentials outside of link-local ranges.
	Metadata
	// Unreachable addresses are the host's own loopback, groups of hosts, and addresses of no host. No rule can
	// allow them.
	Unreachable
)

func (c Class) String() string {
	return [...]string{"public", "private", "link-local", "metadata", "unreachable"}[c]
}

type classed struct {
	prefix netip.Prefix
	class  Class
}

// classes are tried in order.
var classes = []classed{
	{netip.MustParsePrefix("127.0.0.0/8"), Unreachable},
	{netip.MustParsePrefix("0.0.0.0/8"), Unreachable},
	{netip.MustParsePrefix("224.0.0.0/3"), Unreachable},
	{netip.MustParsePrefix("::1/128"), Unreachable},
	{netip.MustParsePrefix("::/128"), Unreachable},
	{netip.MustParsePrefix("ff00::/8"), Unreachable},
	{netip.MustParsePrefix("169.254.0.0/16"), LinkLocal},
	{netip.MustParsePrefix("fe80::/10"), LinkLocal},
	{netip.MustParsePrefix("fec0::/10"), Private},
	{netip.MustParsePrefix("fd00:ec2::/32"), Metadata},
	{netip.MustParsePrefix("fd20:ce::/32"), Metadata},
	{netip.MustParsePrefix("100.100.100.200/32"), Metadata},
	{netip.MustParsePrefix("168.63.129.16/32"), Metadata},
	{netip.MustParsePrefix("192.0.0.192/32"), Metadata},
	{netip.MustParsePrefix("10.0.0.0/8"), Private},
	{netip.MustParsePrefix("172.16.0.0/12"), Private},
	{netip.MustParsePrefix("192.168.0.0/16"), Private},
	{netip.MustParsePrefix("100.64.0.0/10"), Private},
	{netip.MustParsePrefix("192.0.0.0/24"), Private},
	{netip.MustParsePrefix("198.18.0.0/15"), Private},
	{netip.MustParsePrefix("fc00::/7"), Private},
}

// carriers are IPv6 prefixes whose addresses lead to the IPv4 address at the byte offset.
var carriers = []struct {
	prefix netip.Prefix
	offset int
}{
	{netip.MustParsePrefix("::/96"), 12},
	{netip.MustParsePrefix("::ffff:0:0:0/96"), 12},
	{netip.MustParsePrefix("64:ff9b::/96"), 12},
	{netip.MustParsePrefix("64:ff9b:1::/48"), 12},
	{netip.MustParsePrefix("2002::/16"), 2},
}

// teredo addresses have the IPv4 address in their last 4 bytes, inverted.
var teredo = netip.MustParsePrefix("2001::/32")

// ClassOf returns the class of an address. An IPv6 address that leads to an IPv4 address has the class of
// that.
func ClassOf(address netip.Addr) Class {
	address = address.Unmap().WithZone("")
	if !address.IsValid() {
		return Unreachable
	}
	for _, known := range classes {
		if known.prefix.Contains(address) {
			return known.class
		}
	}
	if carried, isCarried := carriedIn(address); isCarried {
		return ClassOf(carried)
	}
	return Public
}

func carriedIn(address netip.Addr) (netip.Addr, bool) {
	if !address.Is6() {
		return address, false
	}
	bytes := address.As16()
	for _, carrier := range carriers {
		if carrier.prefix.Contains(address) {
			return netip.AddrFrom4([4]byte(bytes[carrier.offset : carrier.offset+4])), true
		}
	}
	if teredo.Contains(address) {
		last := ^binary.BigEndian.Uint32(bytes[12:])
		return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, last))), true
	}
	return address, false
}

// Names reports whether a rule for addresses allows address, given its class. A rule must lie inside a
// link-local or metadata range to allow addresses of it: 0.0.0.0/0 does not.
func (r Rule) Names(address netip.Addr) bool {
	if !r.HasAddress(address) {
		return false
	}
	class := ClassOf(address)
	switch class {
	case Unreachable:
		return false
	case LinkLocal, Metadata:
		return ClassOf(r.Prefix.Addr()) == class && isInside(r.Prefix, class)
	default:
		return true
	}
}

// isInside reports whether prefix is part of one range of a class, or a single address of it.
func isInside(prefix netip.Prefix, class Class) bool {
	if prefix.IsSingleIP() {
		return true
	}
	for _, known := range classes {
		if known.class == class && known.prefix.Bits() <= prefix.Bits() && known.prefix.Overlaps(prefix) {
			return true
		}
	}
	return false
}

// unreachable returns why no rule can be for a prefix, or nothing.
func unreachable(prefix netip.Prefix) string {
	for _, known := range classes {
		if known.class == Unreachable && known.prefix.Bits() <= prefix.Bits() && known.prefix.Overlaps(prefix) {
			return "loopback, multicast and unspecified addresses cannot be allowed"
		}
	}
	if carried, isCarried := carriedIn(prefix.Addr()); isCarried && prefix.IsSingleIP() && ClassOf(carried) == Unreachable {
		return "its address leads to a loopback, multicast or unspecified address, which cannot be allowed"
	}
	return ""
}
