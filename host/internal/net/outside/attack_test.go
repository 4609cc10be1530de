package outside

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"banger.dev/host/internal/net/policy/decisions"
	"banger.dev/host/internal/net/wire"
)

// attacked is a guest under a policy, and how many sockets of the host were opened to what it does not allow.
type attacked struct {
	*policed
	wrong *atomic.Int64
}

func newAttacked(t *testing.T, rules ...string) attacked {
	t.Helper()
	wrong := new(atomic.Int64)
	p := newPoliced(t, echoes, rules...)
	connects := p.network.connect
	p.network.connect = func(ctx context.Context, to netip.AddrPort) (*net.TCPConn, error) {
		if address := to.String(); address != reachable && address != reachable6 {
			wrong.Add(1)
		}
		return connects(ctx, to)
	}
	return attacked{p, wrong}
}

// stillWorks fails the test unless the guest reaches what it may, and what it sent before led nowhere else.
func (a attacked) stillWorks(t *testing.T, to string) {
	t.Helper()
	connection, err := a.dial(t, to)
	if err != nil {
		t.Fatalf("the network does not work any more: %v", err)
	}
	defer connection.Close()
	echoed(t, connection)
	if count := a.wrong.Load(); count != 0 {
		t.Errorf("%d sockets of the host were opened to what is refused", count)
	}
}

// What the rules of the tests allow.
const (
	reachable  = "192.0.2.1:7"
	reachable6 = "[2001:db8::1]:7"
)

// withSource is a frame with another source address.
func withSource(frame []byte, address netip.Addr) []byte {
	packet := header.IPv4(frame[wire.EthernetHeader:])
	packet.SetSourceAddressWithChecksumUpdate(tcpip.AddrFrom4(address.As4()))
	return frame
}

func TestFramesOfOtherMachinesReachNothing(t *testing.T) {
	a := newAttacked(t, reachable)
	to := netip.MustParseAddrPort(reachable)
	for from := range uint16(100) {
		other := segment(30_000+from, to, header.TCPFlagSyn)
		other[11] ^= byte(from) | 1
		a.write(other)
		a.write(withSource(segment(31_000+from, to, header.TCPFlagSyn), netip.MustParseAddr("10.0.2.16")))
		a.write(withSource(segment(32_000+from, to, header.TCPFlagSyn), wire.Gateway4))
	}
	a.stillWorks(t, reachable)
	if count := a.network.Link.Counters.Spoofed.Load(); count != 300 {
		t.Errorf("%d frames are counted as spoofed, not 300", count)
	}
}

// advertisement is a frame in which the guest says that it has an IPv6 address, with another MAC.
func advertisement(claimed netip.Addr, mac wire.MAC) []byte {
	const size = header.IPv6MinimumSize + 32
	frame := make([]byte, wire.EthernetHeader+size)
	copy(frame, wire.GatewayMAC[:])
	copy(frame[6:], wire.GuestMAC[:])
	binary.BigEndian.PutUint16(frame[12:], wire.TypeIPv6)
	packet := frame[wire.EthernetHeader:]
	packet[0], packet[5], packet[6], packet[7] = 0x60, 32, 58, 255
	copy(packet[8:], netip.MustParseAddr("fec0::15").AsSlice())
	copy(packet[24:], wire.Gateway6.AsSlice())
	message := packet[header.IPv6MinimumSize:]
	message[0], message[4] = 136, 0x20
	copy(message[8:], claimed.AsSlice())
	message[24], message[25] = 2, 1
	copy(message[26:], mac[:])
	wire.PutChecksum6(packet)
	return frame
}

// claim is a frame in which the guest says by ARP that it has an IPv4 address, with another MAC.
func claim(claimed netip.Addr, mac wire.MAC) []byte {
	frame := append(append(append([]byte{}, wire.GatewayMAC[:]...), wire.GuestMAC[:]...), 8, 6)
	frame = append(frame, 0, 1, 8, 0, 6, 4, 0, 2)
	frame = append(append(frame, mac[:]...), claimed.AsSlice()...)
	return append(append(frame, wire.GatewayMAC[:]...), wire.Gateway4.AsSlice()...)
}

func TestFalseNeighboursChangeNothing(t *testing.T) {
	a := newAttacked(t, reachable, reachable6)
	other := wire.MAC{2, 6, 6, 6, 6, 6}
	for _, mac := range []wire.MAC{other, wire.GuestMAC, wire.GatewayMAC} {
		for _, text := range []string{"10.0.2.2", "10.0.2.3", "10.0.2.15", "192.0.2.1"} {
			a.write(claim(netip.MustParseAddr(text), mac))
		}
		for _, text := range []string{"fec0::2", "fec0::3", "fec0::15", "2001:db8::1", "fe80::2"} {
			a.write(advertisement(netip.MustParseAddr(text), mac))
		}
	}
	a.stillWorks(t, reachable)
	six, err := a.dial(t, reachable6)
	if err != nil {
		t.Fatalf("IPv6 does not work any more: %v", err)
	}
	defer six.Close()
	echoed(t, six)
}

// fragment is the part of a frame's packet that begins at an offset in bytes.
func fragment(frame []byte, offset, length int, isLast bool) []byte {
	packet := frame[wire.EthernetHeader:]
	part := append([]byte{}, frame[:wire.EthernetHeader+header.IPv4MinimumSize]...)
	part = append(part, packet[header.IPv4MinimumSize+offset:header.IPv4MinimumSize+offset+length]...)
	cut := header.IPv4(part[wire.EthernetHeader:])
	cut.SetTotalLength(uint16(len(cut)))
	flags := uint8(header.IPv4FlagMoreFragments)
	if isLast {
		flags = 0
	}
	cut.SetFlagsFragmentOffset(flags, uint16(offset))
	cut.SetChecksum(0)
	cut.SetChecksum(^cut.CalculateChecksum())
	return part
}

func TestAConnectionInFragmentsIsDecidedAboutAsAWhole(t *testing.T) {
	a := newAttacked(t, reachable)
	good, bad := netip.MustParseAddrPort(reachable), netip.MustParseAddrPort("192.0.2.1:22")
	whole := segment(40_000, bad, header.TCPFlagSyn)
	a.write(fragment(whole, 0, 8, false))
	a.write(fragment(whole, 8, 12, true))
	a.expectRefusal(t, "no rule allows the address", "192.0.2.1:22")
	// The second beginning would replace the port of the first.
	first, second := segment(40_001, good, header.TCPFlagSyn), segment(40_001, bad, header.TCPFlagSyn)
	a.write(fragment(first, 0, 8, false))
	a.write(fragment(second, 0, 8, false))
	a.write(fragment(second, 8, 12, true))
	// Beginnings that never end.
	for from := range uint16(5_000) {
		frame := segment(41_000+from, bad, header.TCPFlagSyn)
		binary.BigEndian.PutUint16(frame[wire.EthernetHeader+4:], from)
		a.write(fragment(frame, 0, 8, false))
	}
	a.stillWorks(t, reachable)
}

// askTCP asks the guest's name server over TCP.
func askTCP(t *testing.T, guest *guest, asked []byte) dnsmessage.Message {
	t.Helper()
	var message dnsmessage.Message
	if err := message.Unpack(exchangeTCP(t, guest, asked)); err != nil {
		t.Fatal(err)
	}
	return message
}

func TestNamesAreRefusedOverTCPAndAtOtherServersToo(t *testing.T) {
	a := newAttacked(t, "good.test:443", reachable)
	useNameserver(t, a.network, nameserver(t, "192.0.2.7", false))
	if message := askTCP(t, a.guest, query(t, "evil.test.", dnsmessage.TypeA)); message.RCode != dnsmessage.RCodeRefused {
		t.Errorf("it answered %v", message.GoString())
	}
	a.expectRefusal(t, "no rule allows the name", "evil.test")
	if message := askTCP(t, a.guest, query(t, "good.test.", dnsmessage.TypeA)); len(message.Answers) != 1 {
		t.Errorf("it answered %v", message.GoString())
	}
	for _, server := range []string{"192.0.2.53:53", "192.0.2.53:853"} {
		if _, err := a.dial(t, server); err == nil {
			t.Errorf("a name server outside answers at %s", server)
		}
	}
	connection := a.dialUDP(t, "192.0.2.53:53")
	_, _ = connection.Write(query(t, "evil.test.", dnsmessage.TypeA))
	a.expectRefusal(t, "no rule allows the address", "udp/192.0.2.53:53")
	a.stillWorks(t, reachable)
}

func TestANameThatIsLedToThePrivateNetworkIsRefused(t *testing.T) {
	a := newAttacked(t, "*.rebind.test", reachable)
	for _, address := range []string{"10.1.2.3", "192.168.1.1", "127.0.0.1", "169.254.169.254"} {
		useNameserver(t, a.network, nameserver(t, address, false))
		name := "a" + strings.ReplaceAll(address, ".", "-") + ".rebind.test."
		if message := ask(t, a.guest, "10.0.2.3:53", query(t, name, dnsmessage.TypeA)); message.RCode != dnsmessage.RCodeRefused {
			t.Errorf("%s: it answered %v", address, message.GoString())
		}
	}
	for _, address := range []string{"10.1.2.3", "192.168.1.1", "169.254.169.254"} {
		if _, err := a.dial(t, at(address, 80)); err == nil {
			t.Errorf("the guest reaches %s", address)
		}
	}
	a.expectRefusal(t, "private", "10.1.2.3")
	a.stillWorks(t, reachable)
}

func TestAnAllowedNameIsNoCoverForAnother(t *testing.T) {
	handle, got := received()
	p := newPoliced(t, handle, "good.test", "other.test:22")
	p.resolves(t, "good.test", "192.0.2.1")
	p.resolves(t, "other.test", "192.0.2.2")
	refused := func(to string, speak func(net.Conn)) {
		t.Helper()
		connection, err := p.dial(t, to)
		if err != nil {
			return
		}
		defer connection.Close()
		speak(connection)
		if text := <-got; text != "" {
			t.Errorf("%q has left to %s", text, to)
		}
	}
	hello := func(name string) func(net.Conn) {
		return func(connection net.Conn) {
			if tls.Client(connection, &tls.Config{ServerName: name, InsecureSkipVerify: true}).Handshake() == nil {
				t.Errorf("the handshake for %s succeeds", name)
			}
		}
	}
	request := func(text string) func(net.Conn) {
		return func(connection net.Conn) {
			_, _ = io.WriteString(connection, text)
			_, _ = connection.Read(make([]byte, 1))
		}
	}
	// A name that is allowed, but was not resolved to this address, or not for this port.
	refused("192.0.2.1:443", hello("other.test"))
	refused("192.0.2.1:443", hello(""))
	refused("192.0.2.1:80", request("GET / HTTP/1.1\r\nHost: other.test\r\n\r\n"))
	refused("192.0.2.1:80", request("GET http://evil.test/ HTTP/1.1\r\nHost: good.test\r\n\r\n"))
	refused("192.0.2.1:80", request("CONNECT evil.test:443 HTTP/1.1\r\nHost: good.test\r\n\r\n"))
	refused("192.0.2.1:80", request("GET / HTTP/1.1\r\nHost: good.test\r\nHost: evil.test\r\n\r\n"))
	refused("192.0.2.2:443", hello("other.test"))
	p.expectRefusal(t, "no rule allows this port of the name", "other.test:443")
}

func TestAFloodOfRefusedConnectionsIsBounded(t *testing.T) {
	a := newAttacked(t, reachable)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for from := range uint16(10_000) {
		to := netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, byte(from >> 8), byte(from)}), 1+from)
		a.write(segment(20_000+from, to, header.TCPFlagSyn))
	}
	a.stillWorks(t, reachable)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 64<<20 {
		t.Errorf("%d MiB more are in use", grown>>20)
	}
	if file, err := os.Stat(a.log); err != nil || file.Size() > decisions.MaxFileBytes {
		t.Errorf("the log: %v, %v", file, err)
	}
	if len(a.logged(t)) == 0 {
		t.Error("nothing is logged")
	}
}

// ping is a frame with a ping of the guest that carries data.
func ping(to netip.Addr, data string) []byte {
	size := header.IPv4MinimumSize + 8 + len(data)
	frame := make([]byte, wire.EthernetHeader+size)
	copy(frame, wire.GatewayMAC[:])
	copy(frame[6:], wire.GuestMAC[:])
	binary.BigEndian.PutUint16(frame[12:], wire.TypeIPv4)
	packet := header.IPv4(frame[wire.EthernetHeader:])
	packet.Encode(&header.IPv4Fields{
		TotalLength: uint16(size), TTL: 64, Protocol: uint8(header.ICMPv4ProtocolNumber),
		SrcAddr: tcpip.AddrFrom4(wire.Guest4.As4()), DstAddr: tcpip.AddrFrom4(to.As4()),
	})
	packet.SetChecksum(^packet.CalculateChecksum())
	message := packet[header.IPv4MinimumSize:]
	message[0] = 8
	copy(message[8:], data)
	wire.PutChecksum(message, 2)
	return frame
}

func TestPingsCarryNothingToWhatIsRefused(t *testing.T) {
	a := newAttacked(t, reachable)
	refused := netip.MustParseAddr("198.51.100.9")
	for range 200 {
		a.write(ping(refused, strings.Repeat("secret", 100)))
	}
	a.expectRefusal(t, "no rule allows the address", "198.51.100.9")
	frame := ping(refused, strings.Repeat("secret", 100))
	a.write(fragment(frame, 0, 400, false))
	a.write(fragment(frame, 400, 208, true))
	for kind := range byte(41) {
		other := ping(refused, "secret")
		message := other[wire.EthernetHeader+header.IPv4MinimumSize:]
		message[0], message[2], message[3] = kind, 0, 0
		wire.PutChecksum(message, 2)
		a.write(other)
	}
	a.stillWorks(t, reachable)
	if count := a.network.Counters.Pings.Load(); count != 0 {
		t.Errorf("%d pings have left", count)
	}
	if count := a.network.Counters.Refused.Load(); count < 200 {
		t.Errorf("only %d pings were refused", count)
	}
}
