package firewall

import (
	"net"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Bridges of ours all begin like this.
const bridgePrefix = "br-fc"

// Addresses that a host's cloud serves secrets on: link-local ones, and those of Azure, Oracle and Alibaba.
var secretNetworks = []netip.Prefix{
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("168.63.129.16/32"),
	netip.MustParsePrefix("192.0.0.192/32"),
	netip.MustParsePrefix("100.100.100.200/32"),
}

// AddBridge closes a bridge: guests reach this host only to ping its address there, and reach no other
// network; nothing outside reaches them. Connections that the host begins work. Replaces what it has added
// for this bridge before.
func AddBridge(name string, gateway netip.Addr) error {
	b, err := begin(true)
	if err != nil {
		return err
	}
	if err := b.remove(name, chains...); err != nil {
		return err
	}
	b.last(forward, name, out(name), answers(), accept())
	b.last(forward, name, in(name), drop())
	b.last(forward, name, out(name), drop())
	b.last(input, name, in(name), answers(), accept())
	b.last(input, name, in(name), ipv4(), to(gateway), ping(), accept())
	b.last(input, name, in(name), drop())
	return b.commit()
}

// AddTap closes a tap: what its guest sends goes nowhere. Replaces all rules about this tap.
func AddTap(name string) error {
	b, err := begin(true)
	if err != nil {
		return err
	}
	if err := b.remove(name, chains...); err != nil {
		return err
	}
	b.last(guests, name, in(name), drop())
	b.closeItself(name)
	return b.commit()
}

// closeItself drops what reaches this host from the tap instead of its bridge. Frames to the Ethernet
// addresses that are reserved for bridges (01:80:c2:00:00:0X) do, and the chain of guests never sees them.
func (b *batch) closeItself(tap string) {
	b.last(input, tap, in(tap), drop())
}

// Mac is the Ethernet address of the guest that has this address: 06:00 and the address.
func Mac(guest netip.Addr) net.HardwareAddr {
	return append(net.HardwareAddr{0x06, 0x00}, guest.AsSlice()...)
}

// AssignTap lets the guest of a tap send IPv4 and ARP from this address and its Ethernet address, and
// nothing else.
func AssignTap(name string, guest netip.Addr) error {
	b, err := begin(true)
	if err != nil {
		return err
	}
	if err := b.remove(name, guests, input); err != nil {
		return err
	}
	mac := Mac(guest)
	b.last(guests, name, in(name), etherType(unix.ETH_P_IP), fromMac(mac), from(guest), accept())
	b.last(guests, name, in(name), etherType(unix.ETH_P_ARP), fromMac(mac), arpFrom(mac, guest), accept())
	b.last(guests, name, in(name), drop())
	b.closeItself(name)
	return b.commit()
}

// NatOn lets the guest of a tap reach other networks, but no bridge of ours and no secrets of a cloud. Two
// calls leave one masquerade rule.
func NatOn(tap, onBridge string, guest netip.Addr) error {
	b, err := begin(true)
	if err != nil {
		return err
	}
	if err := b.remove(tap, forward, nat); err != nil {
		return err
	}
	parts := [][]expr.Any{in(onBridge), notOut(bridgePrefix), ipv4(), from(guest)}
	for _, network := range secretNetworks {
		parts = append(parts, notTo(network))
	}
	b.first(forward, tap, append(parts, accept())...)
	b.last(nat, tap, ipv4(), from(guest), notOut(bridgePrefix), masquerade())
	return b.commit()
}

// NatOff undoes NatOn.
func NatOff(tap string) error {
	b, err := begin(false)
	if err != nil {
		return err
	}
	if err := b.remove(tap, forward, nat); err != nil {
		return err
	}
	return b.commit()
}

// Remove deletes all rules about a bridge or a tap, and the tables with the last of them.
func Remove(name string) error {
	b, err := begin(false)
	if err != nil {
		return err
	}
	if err := b.remove(name, chains...); err != nil {
		return err
	}
	if err := b.commit(); err != nil {
		return err
	}
	return removeEmpty()
}

func removeEmpty() error {
	b, err := begin(false)
	if err != nil {
		return err
	}
	for _, rules := range b.rules {
		if len(rules) > 0 {
			return nil
		}
	}
	return b.removeTables()
}

// RemoveAll deletes our tables with all that is in them.
func RemoveAll() error {
	b, err := begin(false)
	if err != nil {
		return err
	}
	return b.removeTables()
}

func (b *batch) removeTables() error {
	tables := map[*nftables.Table]bool{}
	for chain := range b.rules {
		tables[chain.Table] = true
	}
	for table := range tables {
		b.conn.DelTable(table)
	}
	return b.commit()
}
