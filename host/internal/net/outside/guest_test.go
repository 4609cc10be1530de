package outside

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/link/ethernet"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"banger.dev/host/internal/net/gate"
	"banger.dev/host/internal/net/wire"
)

// guest is another stack at the other end of a link: it asks who has an address, and frames packets, as a
// kernel does.
type guest struct {
	stack *stack.Stack
	conn  net.Conn
	mutex sync.Mutex
}

const nic tcpip.NICID = 1

// newGuest starts a network that the gate decides about, with a guest on it.
func newGuest(t testing.TB, decides gate.Gate) (*guest, *Network) {
	t.Helper()
	network, err := New(decides, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(network.Close)
	ours, theirs := socketPair(t)
	served := make(chan struct{})
	go func() {
		network.Link.Serve(theirs)
		close(served)
	}()
	made := &guest{conn: ours, stack: stack.New(stack.Options{
		NetworkProtocols: []stack.NetworkProtocolFactory{arp.NewProtocol, ipv4.NewProtocol, ipv6.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{
			tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6,
		},
	})}
	frames := channel.New(1024, wire.MTU+header.EthernetMinimumSize, tcpip.LinkAddress(wire.GuestMAC[:]))
	ended, end := context.WithCancel(context.Background())
	t.Cleanup(func() {
		ours.Close()
		end()
		<-served
		made.stack.Close()
	})
	if err := made.stack.CreateNIC(nic, ethernet.New(frames)); err != nil {
		t.Fatal(err)
	}
	for _, each := range []struct {
		protocol tcpip.NetworkProtocolNumber
		address  netip.Addr
		bits     int
	}{{ipv4.ProtocolNumber, wire.Guest4, 24}, {ipv6.ProtocolNumber, netip.MustParseAddr("fec0::15"), 64}} {
		address := tcpip.ProtocolAddress{Protocol: each.protocol, AddressWithPrefix: tcpip.AddressWithPrefix{
			Address: tcpip.AddrFromSlice(each.address.AsSlice()), PrefixLen: each.bits,
		}}
		if err := made.stack.AddProtocolAddress(nic, address, stack.AddressProperties{}); err != nil {
			t.Fatal(err)
		}
	}
	made.stack.SetRouteTable([]tcpip.Route{
		{Destination: subnet("10.0.2.0/24"), NIC: nic},
		{Destination: subnet("fec0::/64"), NIC: nic},
		{Destination: header.IPv4EmptySubnet, NIC: nic, Gateway: tcpip.AddrFromSlice(wire.Gateway4.AsSlice())},
		{Destination: header.IPv6EmptySubnet, NIC: nic, Gateway: tcpip.AddrFromSlice(wire.Gateway6.AsSlice())},
	})
	go made.send(ended, frames)
	go made.receive(frames)
	return made, network
}

func subnet(text string) tcpip.Subnet {
	prefix := netip.MustParsePrefix(text)
	return tcpip.AddressWithPrefix{
		Address: tcpip.AddrFromSlice(prefix.Addr().AsSlice()), PrefixLen: prefix.Bits(),
	}.Subnet()
}

func socketPair(t testing.TB) (net.Conn, net.Conn) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]net.Conn
	for at, descriptor := range pair {
		file := os.NewFile(uintptr(descriptor), "link")
		if ends[at], err = net.FileConn(file); err != nil {
			t.Fatal(err)
		}
		file.Close()
	}
	return ends[0], ends[1]
}

func (g *guest) send(ended context.Context, frames *channel.Endpoint) {
	for {
		packet := frames.ReadContext(ended)
		if packet == nil {
			return
		}
		view := packet.ToView()
		g.write(view.AsSlice())
		packet.DecRef()
	}
}

// write sends one frame, whatever it is.
func (g *guest) write(frame []byte) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	_, _ = g.conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(frame))), frame...))
}

func (g *guest) receive(frames *channel.Endpoint) {
	reader := wire.NewReader(g.conn)
	for {
		frame, err := reader.Next()
		if err != nil {
			return
		}
		packet := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(frame)})
		frames.InjectInbound(0, packet)
		packet.DecRef()
	}
}

func (g *guest) dial(t testing.TB, to string) (*gonet.TCPConn, error) {
	t.Helper()
	ended, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	address := netip.MustParseAddrPort(to)
	return gonet.DialContextTCP(ended, g.stack, full(address), protocolOf(address.Addr()))
}

func (g *guest) dialUDP(t testing.TB, to string) *gonet.UDPConn {
	t.Helper()
	address := netip.MustParseAddrPort(to)
	remote := full(address)
	connection, err := gonet.DialUDP(g.stack, nil, &remote, protocolOf(address.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	if err := connection.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return connection
}

func full(address netip.AddrPort) tcpip.FullAddress {
	return tcpip.FullAddress{NIC: nic, Addr: tcpip.AddrFromSlice(address.Addr().AsSlice()), Port: address.Port()}
}

func protocolOf(address netip.Addr) tcpip.NetworkProtocolNumber {
	if address.Is4() {
		return ipv4.ProtocolNumber
	}
	return ipv6.ProtocolNumber
}

// serve listens on loopback, hands each connection to handle, and returns its port.
func serve(t testing.TB, address string, handle func(net.Conn)) uint16 {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		t.Skipf("this host has no %s: %v", address, err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer connection.Close()
				handle(connection)
			}()
		}
	}()
	return uint16(listener.Addr().(*net.TCPAddr).Port)
}

func echoes(connection net.Conn) {
	_, _ = io.Copy(connection, connection)
	_ = connection.(*net.TCPConn).CloseWrite()
}

func at(address string, port uint16) string { return net.JoinHostPort(address, fmt.Sprint(port)) }
