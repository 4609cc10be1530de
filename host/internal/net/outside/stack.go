package outside

import (
	"fmt"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"banger.dev/host/internal/net/wire"
)

const guestLink tcpip.NICID = 1

// Most bytes that one direction of a connection buffers. The guest is less than a millisecond away, so more
// would not make it faster.
const (
	bufferBytes    = 128 << 10
	maxBufferBytes = 512 << 10
)

func (n *Network) newStack() (*stack.Stack, error) {
	made := stack.New(stack.Options{
		NetworkProtocols: []stack.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{
			tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6,
		},
	})
	sack := tcpip.TCPSACKEnabled(true)
	moderate := tcpip.TCPModerateReceiveBufferOption(true)
	receive := tcpip.TCPReceiveBufferSizeRangeOption{Min: 4 << 10, Default: bufferBytes, Max: maxBufferBytes}
	send := tcpip.TCPSendBufferSizeRangeOption{Min: 4 << 10, Default: bufferBytes, Max: maxBufferBytes}
	for _, option := range []tcpip.SettableTransportProtocolOption{&sack, &moderate, &receive, &send} {
		if err := made.SetTransportProtocolOption(tcp.ProtocolNumber, option); err != nil {
			return nil, fmt.Errorf("cannot set up TCP: %s", err)
		}
	}
	if err := made.CreateNIC(guestLink, n.Link); err != nil {
		return nil, fmt.Errorf("cannot connect the guest's link: %s", err)
	}
	for _, address := range []netip.Addr{
		wire.Gateway4, wire.Nameserver4, wire.Gateway6, wire.Nameserver6, wire.Router6,
	} {
		if err := made.AddProtocolAddress(guestLink, own(address), stack.AddressProperties{}); err != nil {
			return nil, fmt.Errorf("cannot have the address %s: %s", address, err)
		}
	}
	// The stack stands for all hosts outside.
	if err := made.SetPromiscuousMode(guestLink, true); err != nil {
		return nil, fmt.Errorf("cannot stand for other hosts: %s", err)
	}
	if err := made.SetSpoofing(guestLink, true); err != nil {
		return nil, fmt.Errorf("cannot answer for other hosts: %s", err)
	}
	made.SetRouteTable([]tcpip.Route{
		{Destination: header.IPv4EmptySubnet, NIC: guestLink},
		{Destination: header.IPv6EmptySubnet, NIC: guestLink},
	})
	connections := tcp.NewForwarder(made, bufferBytes, maxHalfOpen, n.acceptTCP)
	made.SetTransportProtocolHandler(tcp.ProtocolNumber, connections.HandlePacket)
	datagrams := udp.NewForwarder(made, n.acceptUDP)
	made.SetTransportProtocolHandler(udp.ProtocolNumber, func(id stack.TransportEndpointID, packet *stack.PacketBuffer) bool {
		if !n.admitsUDP(id) {
			n.refuse(packet)
			return true
		}
		return datagrams.HandlePacket(id, packet)
	})
	return made, nil
}

func own(address netip.Addr) tcpip.ProtocolAddress {
	if address.Is4() {
		return tcpip.ProtocolAddress{
			Protocol:          ipv4.ProtocolNumber,
			AddressWithPrefix: tcpip.AddressWithPrefix{Address: tcpip.AddrFrom4(address.As4()), PrefixLen: 24},
		}
	}
	return tcpip.ProtocolAddress{
		Protocol:          ipv6.ProtocolNumber,
		AddressWithPrefix: tcpip.AddressWithPrefix{Address: tcpip.AddrFrom16(address.As16()), PrefixLen: 64},
	}
}

// destination is where the guest wants to; the stack calls that its local address.
func destination(id stack.TransportEndpointID) netip.AddrPort {
	address, _ := netip.AddrFromSlice(id.LocalAddress.AsSlice())
	return netip.AddrPortFrom(address, id.LocalPort)
}
