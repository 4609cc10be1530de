package wire

import (
	"encoding/binary"
	"net/netip"
)

// Ethernet types.
const (
	TypeIPv4 = 0x0800
	TypeARP  = 0x0806
	TypeIPv6 = 0x86dd
)

const protoICMPv6 = 58

// Checked is what became of a frame of the guest.
type Checked struct {
	// TypeIPv4 or TypeIPv6, and the packet to deliver; 0 when there is none
	Type   uint16
	Packet []byte
	// where the packet leads
	To netip.Addr
	// a packet to send back, and its type
	Answer     []byte
	AnswerType uint16
	// the frame pretends to be another machine's
	IsSpoofed bool
}

// Check decides what becomes of a frame. A guest sends only from its own addresses, and nothing to many hosts
// but what finds its neighbours. Pure; never fails, whatever the bytes are.
func Check(frame []byte) Checked {
	if len(frame) < EthernetHeader {
		return Checked{}
	}
	if MAC(frame[6:12]) != GuestMAC {
		return Checked{IsSpoofed: true}
	}
	packet := frame[EthernetHeader:]
	switch binary.BigEndian.Uint16(frame[12:]) {
	case TypeARP:
		return checkARP(packet)
	case TypeIPv4:
		return check4(packet)
	case TypeIPv6:
		return check6(packet)
	}
	return Checked{}
}

func check4(packet []byte) Checked {
	if len(packet) < 20 || packet[0]>>4 != 4 {
		return Checked{}
	}
	total := int(binary.BigEndian.Uint16(packet[2:]))
	if total < 20 || total > len(packet) {
		return Checked{}
	}
	from, to := netip.AddrFrom4([4]byte(packet[12:16])), netip.AddrFrom4([4]byte(packet[16:20]))
	if from != Guest4 {
		return Checked{IsSpoofed: true}
	}
	if to.IsMulticast() || to == broadcast || to == linkBroadcast {
		return Checked{}
	}
	// Short frames are padded.
	return Checked{Type: TypeIPv4, Packet: packet[:total], To: to}
}

var (
	broadcast     = netip.MustParseAddr("255.255.255.255")
	linkBroadcast = netip.MustParseAddr("10.0.2.255")
)

func check6(packet []byte) Checked {
	if len(packet) < 40 || packet[0]>>4 != 6 {
		return Checked{}
	}
	total := 40 + int(binary.BigEndian.Uint16(packet[4:]))
	if total > len(packet) {
		return Checked{}
	}
	packet = packet[:total]
	from, to := netip.AddrFrom16([16]byte(packet[8:24])), netip.AddrFrom16([16]byte(packet[24:40]))
	isICMP := packet[6] == protoICMPv6
	switch {
	case from.IsUnspecified():
		// The guest asks whether another machine has its address; none has.
		return Checked{}
	case Link6.Contains(from) && !IsOwn(from):
	case from.IsLinkLocalUnicast() && from != Router6 && isICMP:
	default:
		return Checked{IsSpoofed: true}
	}
	if isICMP && len(packet) > 40 && isNeighbourDiscovery(packet[40]) {
		return answerNeighbour(packet, from)
	}
	if to.IsMulticast() || from.IsLinkLocalUnicast() && !IsOwn(to) {
		return Checked{}
	}
	return Checked{Type: TypeIPv6, Packet: packet, To: to}
}
