package outside

import (
	"encoding/binary"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"banger.dev/host/internal/net/gate"
	"banger.dev/host/internal/net/wire"
)

// pingDeadline bounds the wait for the answer to one ping.
const pingDeadline = 10 * time.Second

// echo has what differs between the two families' pings.
type echo struct {
	family, protocol int
	etherType        uint16
	header           int
	request, reply   byte
}

var (
	echo4 = echo{unix.AF_INET, unix.IPPROTO_ICMP, wire.TypeIPv4, 20, 8, 0}
	echo6 = echo{unix.AF_INET6, unix.IPPROTO_ICMPV6, wire.TypeIPv6, 40, 128, 129}
)

// intercept answers pings of other hosts, which the stack would answer in their place. It reports whether the
// packet needs no delivery.
func (n *Network) intercept(checked wire.Checked) bool {
	kind, ok := kindOf(checked)
	if !ok || wire.IsOwn(checked.To) {
		return false
	}
	message := checked.Packet[kind.header:]
	if len(message) < 8 || message[0] != kind.request {
		// Errors and questions about other hosts' ICMP have no use here, and the stack would answer for them.
		return true
	}
	if _, verdict := n.route(gate.ICMP, netip.AddrPortFrom(checked.To, 0)); !verdict.Allowed {
		n.Counters.Refused.Add(1)
		n.Link.Send(kind.etherType, unreachable(kind, checked.Packet, prohibited))
		return true
	}
	if !n.pings.take() {
		n.Counters.Failed.Add(1)
		return true
	}
	packet := append([]byte(nil), checked.Packet...)
	go func() {
		defer n.pings.release()
		n.Counters.Pings.Add(1)
		if !n.ping(kind, packet, checked.To) {
			n.Counters.Failed.Add(1)
		}
	}()
	return true
}

// kindOf returns which kind of ICMP an unfragmented packet without options is.
func kindOf(checked wire.Checked) (echo, bool) {
	packet := checked.Packet
	if checked.Type == wire.TypeIPv4 {
		isWhole := binary.BigEndian.Uint16(packet[6:])&0x3fff == 0
		return echo4, packet[9] == unix.IPPROTO_ICMP && packet[0] == 0x45 && isWhole
	}
	return echo6, packet[6] == unix.IPPROTO_ICMPV6
}

// ping sends one ping with a socket of this host and brings the answer back.
func (n *Network) ping(kind echo, packet []byte, to netip.Addr) bool {
	descriptor, err := unix.Socket(kind.family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, kind.protocol)
	if err != nil {
		n.Link.Send(kind.etherType, unreachable(kind, packet, prohibited))
		return false
	}
	socket := os.NewFile(uintptr(descriptor), "ping")
	defer socket.Close()
	var target unix.Sockaddr
	if to.Is4() {
		target = &unix.SockaddrInet4{Addr: to.As4()}
	} else {
		target = &unix.SockaddrInet6{Addr: to.As16()}
	}
	message := packet[kind.header:]
	if unix.Connect(descriptor, target) != nil || unix.Send(descriptor, message, 0) != nil {
		n.Link.Send(kind.etherType, unreachable(kind, packet, prohibited))
		return false
	}
	if socket.SetReadDeadline(time.Now().Add(pingDeadline)) != nil {
		return false
	}
	answer := make([]byte, kind.header+wire.MTU)
	count, err := socket.Read(answer[kind.header:])
	if err != nil || count < 8 || answer[kind.header] != kind.reply || kind.header+count > wire.MTU {
		return false
	}
	answer = answer[:kind.header+count]
	// The kernel numbers the pings of its sockets in its own way.
	copy(answer[kind.header+4:kind.header+6], message[4:6])
	n.Link.Send(kind.etherType, addressed(kind, packet, answer))
	return true
}

// addressed makes an ICMP packet of answer, which goes from where the packet was going back to its sender.
// Its message begins after room for the header.
func addressed(kind echo, packet, answer []byte) []byte {
	if kind.family == unix.AF_INET {
		answer[0], answer[8], answer[9] = 0x45, 64, unix.IPPROTO_ICMP
		binary.BigEndian.PutUint16(answer[2:], uint16(len(answer)))
		copy(answer[12:16], packet[16:20])
		copy(answer[16:20], packet[12:16])
		wire.PutChecksum(answer[:20], 10)
		wire.PutChecksum(answer[20:], 2)
		return answer
	}
	answer[0], answer[6], answer[7] = 6<<4, unix.IPPROTO_ICMPV6, 64
	binary.BigEndian.PutUint16(answer[4:], uint16(len(answer)-40))
	copy(answer[8:24], packet[24:40])
	copy(answer[24:40], packet[8:24])
	wire.PutChecksum6(answer)
	return answer
}

// Codes of "destination unreachable", for IPv4 and IPv6.
var (
	prohibited = [2]byte{13, 1}
	portClosed = [2]byte{3, 4}
)

// unreachable says to the guest that a packet does not get to where it leads.
func unreachable(kind echo, packet []byte, codes [2]byte) []byte {
	kept := packet[:min(len(packet), kind.header+8)]
	answer := make([]byte, kind.header+8+len(kept))
	message := answer[kind.header:]
	message[0], message[1] = 3, codes[0]
	if kind.family == unix.AF_INET6 {
		message[0], message[1] = 1, codes[1]
	}
	copy(message[8:], kept)
	return addressed(kind, packet, answer)
}
