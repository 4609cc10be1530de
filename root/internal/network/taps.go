package network

import (
	"errors"
	"fmt"
	"net/netip"

	"banger.dev/root/internal/firewall"
	"banger.dev/root/internal/refusal"
	"github.com/vishvananda/netlink"
)

// CreateTap makes a tap that the user `owner` may open, as an isolated port of our bridge: guests do not
// reach one another. Nothing goes through until AssignTap. An existing tap stays as it is, if it is on that
// bridge.
func CreateTap(name, onBridge string, owner uint32) error {
	bridge, err := ownBridge(onBridge)
	if err != nil {
		return err
	}
	if bridge == nil {
		return refusal.New(refusal.Conflict, "there is no bridge %s: make it first", onBridge)
	}
	tap, err := ownTap(name, owner)
	if err != nil {
		return err
	}
	if tap != nil && (isUnfinished(tap) || isSpoiled(tap, owner)) {
		if err := deleteLink(tap); err != nil {
			return fmt.Errorf("deleting what is left of %s: %w", name, err)
		}
		tap = nil
	}
	if tap != nil {
		return keepTap(tap, bridge)
	}
	if err := refuseMore(tapMark, maxTaps); err != nil {
		return err
	}
	// Its rules come first: it never exists without.
	if err := firewall.AddTap(name); err != nil {
		return err
	}
	if err := addTap(name, bridge, owner); err != nil {
		// A tap that is left stays closed.
		if left, failure := find(name); left != nil || failure != nil {
			return errors.Join(err, failure)
		}
		return errors.Join(err, firewall.Remove(name))
	}
	return nil
}

// keepTap adds the rules of an existing tap again, which others may have flushed.
func keepTap(tap *netlink.Tuntap, bridge *netlink.Bridge) error {
	if tap.Attrs().MasterIndex != bridge.Attrs().Index {
		return refusal.New(refusal.Conflict, "the tap %s is on another bridge", tap.Name)
	}
	if guest := guestOf(tap); guest.IsValid() {
		return firewall.AssignTap(tap.Name, guest)
	}
	return firewall.AddTap(tap.Name)
}

func addTap(name string, bridge *netlink.Bridge, owner uint32) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	tap := &netlink.Tuntap{
		LinkAttrs: attrs,
		Mode:      netlink.TUNTAP_MODE_TAP,
		Flags:     netlink.TUNTAP_ONE_QUEUE | netlink.TUNTAP_VNET_HDR,
		Owner:     owner,
		Queues:    1,
	}
	if err := netlink.LinkAdd(tap); err != nil {
		return fmt.Errorf("making %s: %w", name, err)
	}
	for _, fd := range tap.Fds {
		fd.Close()
	}
	if err := finishTap(tap, bridge); err != nil {
		return errors.Join(err, deleteLink(tap))
	}
	return nil
}

// finishTap is setTapUp; tests have it fail.
var finishTap = setTapUp

func setTapUp(tap *netlink.Tuntap, bridge netlink.Link) error {
	name := tap.Attrs().Name
	steps := []func() error{
		func() error { return netlink.LinkSetAlias(tap, tapMark) },
		func() error { return withoutIPv6(name) },
		func() error { return netlink.LinkSetMaster(tap, bridge) },
		func() error { return netlink.LinkSetIsolated(tap, true) },
		func() error { return netlink.LinkSetUp(tap) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("setting %s up: %w", name, err)
		}
	}
	return nil
}

// AssignTap gives the guest of a tap its address, which no other tap has, in the bridge's subnet. Returns
// the Ethernet address that the guest must have. NAT of an earlier address ends.
func AssignTap(name string, guest netip.Addr, owner uint32) (mac string, err error) {
	tap, err := needTap(name, owner)
	if err != nil {
		return "", err
	}
	bridge, err := bridgeOf(tap)
	if err != nil {
		return "", err
	}
	if err := refuseAddress(tap, bridge, guest); err != nil {
		return "", err
	}
	if guestOf(tap) != guest {
		if err := firewall.NatOff(name); err != nil {
			return "", err
		}
		if err := netlink.LinkSetAlias(tap, tapMark+" "+guest.String()); err != nil {
			return "", fmt.Errorf("marking %s: %w", name, err)
		}
	}
	if err := firewall.AssignTap(name, guest); err != nil {
		return "", err
	}
	return firewall.Mac(guest).String(), nil
}

// DeleteTap deletes our tap, and its rules. It is done if there is none.
func DeleteTap(name string, owner uint32) error {
	tap, err := ownTap(name, owner)
	if err != nil {
		return err
	}
	if tap != nil {
		if err := deleteLink(tap); err != nil {
			return fmt.Errorf("deleting %s: %w", name, err)
		}
	}
	return firewall.Remove(name)
}

func bridgeOf(tap *netlink.Tuntap) (*netlink.Bridge, error) {
	master, err := netlink.LinkByIndex(tap.Attrs().MasterIndex)
	if err != nil {
		return nil, refusal.New(refusal.Conflict, "the tap %s is on no bridge", tap.Name)
	}
	return ownBridge(master.Attrs().Name)
}

func refuseAddress(tap *netlink.Tuntap, bridge *netlink.Bridge, guest netip.Addr) error {
	addresses, err := netlink.AddrList(bridge, netlink.FAMILY_V4)
	if err != nil || len(addresses) != 1 {
		return refusal.New(refusal.Conflict, "the bridge %s has no address: make it again", bridge.Name)
	}
	gateway, _ := netip.AddrFromSlice(addresses[0].IP.To4())
	bits, _ := addresses[0].Mask.Size()
	subnet := netip.PrefixFrom(gateway, bits)
	isEdge := bits < 31 && (guest == subnet.Masked().Addr() || !subnet.Contains(guest.Next()))
	if !subnet.Contains(guest) || guest == gateway || isEdge {
		return refusal.New(refusal.Conflict, "%v is not an address for a guest of %s, whose subnet is %v", guest, bridge.Name, subnet)
	}
	ports, err := portsOf(bridge)
	if err != nil {
		return err
	}
	for _, port := range ports {
		if port.Attrs().Index != tap.Attrs().Index && guestOf(port) == guest {
			return refusal.New(refusal.Conflict, "%v is the address of the guest of %s", guest, port.Attrs().Name)
		}
	}
	return nil
}
