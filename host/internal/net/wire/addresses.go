// Package wire has what crosses the link between a VMM and a guest's network: frames in a stream, and which
// of them a guest may send.
package wire

import "net/netip"

// MAC is the address of a network interface.
type MAC [6]byte

// Each guest is alone on its link, so all guests and all gateways have the same addresses. A guest that was
// saved with another network program still knows them.
var (
	GuestMAC   = MAC{0x52, 0x54, 0x00, 0x12, 0x34, 0x56}
	GatewayMAC = MAC{0x52, 0x55, 0x0a, 0x00, 0x02, 0x02}

	Guest4      = netip.MustParseAddr("10.0.2.15")
	Gateway4    = netip.MustParseAddr("10.0.2.2")
	Nameserver4 = netip.MustParseAddr("10.0.2.3")
	Link4       = netip.MustParsePrefix("10.0.2.0/24")

	Gateway6    = netip.MustParseAddr("fec0::2")
	Nameserver6 = netip.MustParseAddr("fec0::3")
	Router6     = netip.MustParseAddr("fe80::2")
	Link6       = netip.MustParsePrefix("fec0::/64")
)

// IsGateway reports whether an address stands for this host.
func IsGateway(address netip.Addr) bool { return address == Gateway4 || address == Gateway6 }

// IsNameserver reports whether an address is that of the guest's nameserver.
func IsNameserver(address netip.Addr) bool { return address == Nameserver4 || address == Nameserver6 }

// IsOwn reports whether this program has an address on the guest's link.
func IsOwn(address netip.Addr) bool {
	return IsGateway(address) || IsNameserver(address) || address == Router6
}
