package network

import (
	"fmt"
	"net"
	"net/netip"

	"banger.dev/root/internal/firewall"
	"banger.dev/root/internal/refusal"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// EnsureBridge makes our bridge, with the host's address in this subnet as its only one, closed by the
// firewall. An existing one keeps its taps. Refuses a subnet that overlaps with one the host uses.
func EnsureBridge(name string, subnet netip.Prefix) error {
	bridge, err := ownOrUnfinished(name)
	if err != nil {
		return err
	}
	if err := refuseOverlap(name, subnet); err != nil {
		return err
	}
	if bridge == nil {
		if err := refuseMore(bridgeMark, maxBridges); err != nil {
			return err
		}
	}
	if err := firewall.AddBridge(name, subnet.Addr()); err != nil {
		return err
	}
	if bridge == nil {
		if bridge, err = addBridge(name); err != nil {
			return err
		}
	}
	if err := netlink.LinkSetAlias(bridge, bridgeMark); err != nil {
		return fmt.Errorf("marking %s: %w", name, err)
	}
	if err := withoutIPv6(name); err != nil {
		return err
	}
	if err := setOnlyAddress(bridge, subnet); err != nil {
		return err
	}
	if err := netlink.LinkSetUp(bridge); err != nil {
		return fmt.Errorf("setting %s up: %w", name, err)
	}
	return nil
}

// DeleteBridge deletes our bridge, and its rules. Refuses while it has taps. It is done if there is none.
func DeleteBridge(name string) error {
	bridge, err := ownBridge(name)
	if err != nil {
		return err
	}
	if bridge != nil {
		ports, err := portsOf(bridge)
		if err != nil {
			return err
		}
		if len(ports) > 0 {
			return refusal.New(refusal.Conflict, "%s still has taps, such as %s", name, ports[0].Attrs().Name)
		}
		if err := deleteLink(bridge); err != nil {
			return fmt.Errorf("deleting %s: %w", name, err)
		}
	}
	return firewall.Remove(name)
}

// ownOrUnfinished returns our bridge. A bridge that is down and has neither ports, addresses nor an alias is
// one of ours that was not finished: the kernel gives no alias to a link while it makes it.
func ownOrUnfinished(name string) (*netlink.Bridge, error) {
	link, err := find(name)
	if link == nil || err != nil {
		return nil, err
	}
	bridge, is := link.(*netlink.Bridge)
	if is && isUnfinished(link) {
		ports, err := portsOf(bridge)
		if err != nil {
			return nil, err
		}
		addresses, err := netlink.AddrList(bridge, netlink.FAMILY_ALL)
		if err != nil {
			return nil, err
		}
		if len(ports)+len(addresses) == 0 {
			return bridge, nil
		}
	}
	return ownBridge(name)
}

func addBridge(name string) (*netlink.Bridge, error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	bridge := &netlink.Bridge{LinkAttrs: attrs}
	if err := netlink.LinkAdd(bridge); err != nil {
		return nil, fmt.Errorf("making %s: %w", name, err)
	}
	return bridge, nil
}

// setOnlyAddress adds the new address before it deletes others, so that a repeated call changes nothing.
func setOnlyAddress(bridge *netlink.Bridge, subnet netip.Prefix) error {
	wanted := &net.IPNet{IP: subnet.Addr().AsSlice(), Mask: net.CIDRMask(subnet.Bits(), 32)}
	if err := netlink.AddrReplace(bridge, &netlink.Addr{IPNet: wanted}); err != nil {
		return fmt.Errorf("giving %s the address %v: %w", bridge.Name, subnet, err)
	}
	addresses, err := netlink.AddrList(bridge, netlink.FAMILY_V4)
	if err != nil {
		return err
	}
	for _, address := range addresses {
		if address.IPNet.String() == wanted.String() {
			continue
		}
		if err := netlink.AddrDel(bridge, &address); err != nil {
			return fmt.Errorf("taking %v from %s: %w", address.IPNet, bridge.Name, err)
		}
	}
	return nil
}

// refuseOverlap looks at the addresses and routes of all other links.
func refuseOverlap(name string, subnet netip.Prefix) error {
	index := 0
	if own, err := find(name); err == nil && own != nil {
		index = own.Attrs().Index
	}
	addresses, err := netlink.AddrList(nil, netlink.FAMILY_V4)
	if err != nil {
		return fmt.Errorf("reading the host's addresses: %w", err)
	}
	for _, address := range addresses {
		if address.LinkIndex != index && overlaps(subnet, address.IPNet) {
			return overlap(subnet, address.IPNet)
		}
	}
	filter := &netlink.Route{Table: unix.RT_TABLE_MAIN}
	routes, err := netlink.RouteListFiltered(netlink.FAMILY_V4, filter, netlink.RT_FILTER_TABLE)
	if err != nil {
		return fmt.Errorf("reading the host's routes: %w", err)
	}
	for _, route := range routes {
		if route.LinkIndex != index && overlaps(subnet, route.Dst) {
			return overlap(subnet, route.Dst)
		}
	}
	return nil
}

// overlaps is false for the default route.
func overlaps(subnet netip.Prefix, other *net.IPNet) bool {
	if other == nil {
		return false
	}
	addr, _ := netip.AddrFromSlice(other.IP.To4())
	bits, _ := other.Mask.Size()
	return bits > 0 && subnet.Overlaps(netip.PrefixFrom(addr, bits))
}

func overlap(subnet netip.Prefix, other *net.IPNet) error {
	return refusal.New(refusal.Conflict, "the subnet %v overlaps with %v, which this host uses", subnet.Masked(), other)
}

func portsOf(bridge *netlink.Bridge) ([]netlink.Link, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("reading the host's links: %w", err)
	}
	var ports []netlink.Link
	for _, link := range links {
		if link.Attrs().MasterIndex == bridge.Attrs().Index {
			ports = append(ports, link)
		}
	}
	return ports, nil
}

// NeedBridge returns an error unless this is a bridge of ours.
func NeedBridge(name string) error {
	bridge, err := ownBridge(name)
	if err == nil && bridge == nil {
		return refusal.New(refusal.Conflict, "there is no bridge %s: make it first", name)
	}
	return err
}
