package wire

import (
	"encoding/binary"
	"net/netip"
)

// checkARP answers "who has" for the addresses of this program. Nothing else in ARP matters: this program
// knows the guest's address, whatever the guest announces.
func checkARP(packet []byte) Checked {
	const ethernetToIPv4, request, reply = 0x0001_0800_0604, 1, 2
	if len(packet) < 28 || binary.BigEndian.Uint64(packet)>>16 != ethernetToIPv4 {
		return Checked{}
	}
	if binary.BigEndian.Uint16(packet[6:]) != request {
		return Checked{}
	}
	wanted := netip.AddrFrom4([4]byte(packet[24:28]))
	if !IsOwn(wanted) {
		return Checked{}
	}
	answer := make([]byte, 28)
	copy(answer, packet[:6])
	binary.BigEndian.PutUint16(answer[6:], reply)
	copy(answer[8:], GatewayMAC[:])
	copy(answer[14:], packet[24:28])
	copy(answer[18:], GuestMAC[:])
	copy(answer[24:], packet[14:18])
	return Checked{Answer: answer, AnswerType: TypeARP}
}

const (
	routerSolicitation   = 133
	neighborSolicitation = 135
	neighborAdvert       = 136
	lastOfNeighbours     = 137
)

func isNeighbourDiscovery(icmpType byte) bool {
	return icmpType >= routerSolicitation && icmpType <= lastOfNeighbours
}

// answerNeighbour answers "who has" of IPv6. The rest of neighbour discovery is dropped, because the guest's
// agent has set its routes.
func answerNeighbour(packet []byte, from netip.Addr) Checked {
	const flagsSolicitedOverride = 0x60
	message := packet[40:]
	if packet[7] != 255 || len(message) < 24 || message[0] != neighborSolicitation {
		return Checked{}
	}
	wanted := netip.AddrFrom16([16]byte(message[8:24]))
	if !IsOwn(wanted) {
		return Checked{}
	}
	answer := make([]byte, 40+32)
	answer[0], answer[6], answer[7] = 6<<4, protoICMPv6, 255
	binary.BigEndian.PutUint16(answer[4:], 32)
	copy(answer[8:], message[8:24])
	copy(answer[24:], packet[8:24])
	advert := answer[40:]
	advert[0], advert[4] = neighborAdvert, flagsSolicitedOverride
	copy(advert[8:], message[8:24])
	// The option "target link-layer address", in units of 8 bytes.
	advert[24], advert[25] = 2, 1
	copy(advert[26:], GatewayMAC[:])
	PutChecksum6(answer)
	return Checked{Answer: answer, AnswerType: TypeIPv6}
}

// PutChecksum6 writes the checksum of an IPv6 packet with an ICMPv6 message and no other headers.
func PutChecksum6(packet []byte) {
	message := packet[40:]
	message[2], message[3] = 0, 0
	sum := uint32(len(message)) + protoICMPv6
	sum += add(packet[8:40])
	sum += add(message)
	binary.BigEndian.PutUint16(message[2:], fold(sum))
}

// PutChecksum writes an Internet checksum over data at its offset.
func PutChecksum(data []byte, offset int) {
	data[offset], data[offset+1] = 0, 0
	binary.BigEndian.PutUint16(data[offset:], fold(add(data)))
}

func add(data []byte) (sum uint32) {
	for ; len(data) >= 2; data = data[2:] {
		sum += uint32(data[0])<<8 | uint32(data[1])
	}
	if len(data) == 1 {
		sum += uint32(data[0]) << 8
	}
	return sum
}

func fold(sum uint32) uint16 {
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
