package network

import (
	"fmt"
	"net/netip"
	"os"

	"banger.dev/root/internal/firewall"
	"banger.dev/root/internal/refusal"
)

const forwarding = "/proc/sys/net/ipv4/ip_forward"

// NatOn lets the guest of our tap, whose address must be this one, reach other networks. Turns the host's
// forwarding on, and leaves it on: others may rely on it by then.
func NatOn(name string, guest netip.Addr, owner uint32) error {
	tap, err := needTap(name, owner)
	if err != nil {
		return err
	}
	if guestOf(tap) != guest {
		return refusal.New(refusal.Conflict, "%v is not the address of the guest of %s: assign it first", guest, name)
	}
	bridge, err := bridgeOf(tap)
	if err != nil {
		return err
	}
	if err := firewall.NatOn(name, bridge.Name, guest); err != nil {
		return err
	}
	if err := os.WriteFile(forwarding, []byte("1"), 0); err != nil {
		return fmt.Errorf("turning the host's forwarding on: %w", err)
	}
	return nil
}

// NatOff undoes NatOn. It is done if the tap does not exist.
func NatOff(name string, owner uint32) error {
	if _, err := ownTap(name, owner); err != nil {
		return err
	}
	return firewall.NatOff(name)
}
