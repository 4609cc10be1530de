package firewall

import (
	"net"
	"net/netip"

	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Parts of rules. Each loads something of a packet into register 1 and compares it.

const (
	ifNameBytes   = 16
	ipSourceAt    = 12
	ipTargetAt    = 16
	macSourceAt   = 6
	arpMacAt      = 8
	arpSourceAt   = 14
	arpTypeAt     = 0
	arpEthernetV4 = "\x00\x01\x08\x00\x06\x04"
)

// in compares the interface that a packet comes from.
func in(name string) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1}, equal(ifName(name))}
}

// out compares the interface that a packet leaves by.
func out(name string) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 1}, equal(ifName(name))}
}

// notOut compares the beginning of the name of that interface.
func notOut(prefix string) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 1}, differs([]byte(prefix))}
}

// ipv4 compares the kind of a packet, in tables of the family inet.
func ipv4() []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1}, equal([]byte{unix.NFPROTO_IPV4})}
}

// etherType compares the kind of a frame, in tables of the family bridge.
func etherType(kind uint16) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyPROTOCOL, Register: 1}, equal(binaryutil.BigEndian.PutUint16(kind))}
}

func from(addr netip.Addr) []expr.Any { return field(ipSourceAt, addr.AsSlice()) }

func to(addr netip.Addr) []expr.Any { return field(ipTargetAt, addr.AsSlice()) }

// fromMac compares the Ethernet address that a frame comes from.
func fromMac(mac net.HardwareAddr) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseLLHeader, Offset: macSourceAt, Len: 6},
		equal(mac),
	}
}

// arpFrom compares who an ARP packet says that it is from.
func arpFrom(mac net.HardwareAddr, addr netip.Addr) []expr.Any {
	return join(field(arpTypeAt, []byte(arpEthernetV4)), field(arpMacAt, mac), field(arpSourceAt, addr.AsSlice()))
}

// notTo compares the network that a packet is for.
func notTo(network netip.Prefix) []expr.Any {
	mask := make([]byte, 4)
	for bit := range network.Bits() {
		mask[bit/8] |= 0x80 >> (bit % 8)
	}
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: ipTargetAt, Len: 4},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: mask, Xor: make([]byte, 4)},
		differs(network.Masked().Addr().AsSlice()),
	}
}

// ping compares with a packet that asks for an echo.
func ping() []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, equal([]byte{unix.IPPROTO_ICMP}),
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 0, Len: 1}, equal([]byte{8}),
	}
}

// answers compares the state of a packet's connection: it exists.
func answers() []expr.Any {
	bits := binaryutil.NativeEndian.PutUint32(expr.CtStateBitESTABLISHED | expr.CtStateBitRELATED)
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATE, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: bits, Xor: make([]byte, 4)},
		differs(make([]byte, 4)),
	}
}

func accept() []expr.Any { return []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}} }

func drop() []expr.Any {
	return []expr.Any{&expr.Counter{}, &expr.Verdict{Kind: expr.VerdictDrop}}
}

func masquerade() []expr.Any { return []expr.Any{&expr.Masq{}} }

func join(parts ...[]expr.Any) []expr.Any {
	var all []expr.Any
	for _, part := range parts {
		all = append(all, part...)
	}
	return all
}

func field(offset uint32, value []byte) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: uint32(len(value))},
		equal(value),
	}
}

func equal(value []byte) expr.Any { return &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: value} }

func differs(value []byte) expr.Any { return &expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: value} }

func ifName(name string) []byte {
	padded := make([]byte, ifNameBytes)
	copy(padded, name)
	return padded
}
