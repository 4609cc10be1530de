package outside

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"banger.dev/host/internal/net/gate"
	"banger.dev/host/internal/net/wire"
)

// segment is a frame with a TCP segment of the guest.
func segment(from uint16, to netip.AddrPort, flags header.TCPFlags) []byte {
	const size = header.IPv4MinimumSize + header.TCPMinimumSize
	frame := make([]byte, wire.EthernetHeader+size)
	copy(frame, wire.GatewayMAC[:])
	copy(frame[6:], wire.GuestMAC[:])
	binary.BigEndian.PutUint16(frame[12:], wire.TypeIPv4)
	source, target := tcpip.AddrFrom4(wire.Guest4.As4()), tcpip.AddrFrom4(to.Addr().As4())
	packet := header.IPv4(frame[wire.EthernetHeader:])
	packet.Encode(&header.IPv4Fields{
		TotalLength: size, TTL: 64, Protocol: uint8(header.TCPProtocolNumber), SrcAddr: source, DstAddr: target,
	})
	packet.SetChecksum(^packet.CalculateChecksum())
	tcp := header.TCP(packet[header.IPv4MinimumSize:])
	tcp.Encode(&header.TCPFields{
		SrcPort: from, DstPort: to.Port(), SeqNum: uint32(from), DataOffset: header.TCPMinimumSize, Flags: flags,
		WindowSize: 1 << 15,
	})
	pseudo := header.PseudoHeaderChecksum(header.TCPProtocolNumber, source, target, header.TCPMinimumSize)
	tcp.SetChecksum(^checksum.Combine(pseudo, checksum.Checksum(tcp, 0)))
	return frame
}

// works fails the test unless the guest still reaches the port.
func works(t *testing.T, guest *guest, port uint16) {
	t.Helper()
	connection, err := guest.dial(t, at("10.0.2.2", port))
	if err != nil {
		t.Fatalf("the network does not work any more: %v", err)
	}
	defer connection.Close()
	if _, err := connection.Write([]byte("still")); err != nil {
		t.Fatal(err)
	}
	if err := connection.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(connection); string(got) != "still" || err != nil {
		t.Fatalf("the network does not work any more: %q, %v", got, err)
	}
}

func TestDamagedFramesOfAnyKindLeaveTheNetworkWorking(t *testing.T) {
	guest, network := newGuest(t, gate.Open{})
	port := serve(t, "127.0.0.1", echoes)
	network.Expose([]uint16{port})
	target := netip.AddrPortFrom(wire.Gateway4, port)
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		frame := segment(uint16(random.Uint32()), target, header.TCPFlags(random.Uint32()))
		frame[wire.EthernetHeader+9] = []byte{1, 6, 17, 58, byte(random.Uint32())}[random.IntN(5)]
		for range random.IntN(4) {
			// The addresses stay, so that the frame gets to the stack.
			at := wire.EthernetHeader + random.IntN(len(frame)-wire.EthernetHeader)
			if at < wire.EthernetHeader+12 || at >= wire.EthernetHeader+20 {
				frame[at] = byte(random.Uint32())
			}
		}
		guest.write(frame[:len(frame)-random.IntN(3)*random.IntN(20)])
	}
	works(t, guest, port)
}

func TestAFloodOfHalfOpenConnectionsIsBounded(t *testing.T) {
	guest, network := newGuest(t, gate.Open{})
	port := serve(t, "127.0.0.1", echoes)
	network.Expose([]uint16{port})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for from := range uint16(10_000) {
		guest.write(segment(20_000+from, netip.AddrPortFrom(wire.Gateway4, port), header.TCPFlagSyn))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if open := len(network.sockets); open > maxHalfOpen {
		t.Errorf("%d sockets of the host are open", open)
	}
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 64<<20 {
		t.Errorf("%d MiB more are in use", grown>>20)
	}
	if tasks := runtime.NumGoroutine(); tasks > 4*maxHalfOpen {
		t.Errorf("%d tasks are under way", tasks)
	}
}
