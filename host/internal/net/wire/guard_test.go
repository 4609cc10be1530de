package wire

import (
	"bytes"
	"encoding/binary"
	"io"
	"net/netip"
	"testing"
)

// frame4 is a frame of the guest with an IPv4 packet.
func frame4(from, to netip.Addr, source MAC) []byte {
	packet := make([]byte, 28)
	packet[0], packet[9] = 0x45, 17
	binary.BigEndian.PutUint16(packet[2:], uint16(len(packet)))
	copy(packet[12:], from.AsSlice())
	copy(packet[16:], to.AsSlice())
	return ethernet(source, TypeIPv4, packet)
}

func ethernet(source MAC, etherType uint16, packet []byte) []byte {
	frame := append(append(append([]byte{}, GatewayMAC[:]...), source[:]...), 0, 0)
	binary.BigEndian.PutUint16(frame[12:], etherType)
	return append(frame, packet...)
}

func TestOnlyTheGuestsOwnAddressesAreForwarded(t *testing.T) {
	outside := netip.MustParseAddr("192.0.2.1")
	if checked := Check(frame4(Guest4, outside, GuestMAC)); checked.Type != TypeIPv4 || checked.To != outside {
		t.Errorf("a packet of the guest: %+v", checked)
	}
	for name, frame := range map[string][]byte{
		"another MAC":     frame4(Guest4, outside, MAC{2, 2, 2, 2, 2, 2}),
		"another address": frame4(netip.MustParseAddr("10.0.2.16"), outside, GuestMAC),
		"the gateway's":   frame4(Gateway4, outside, GuestMAC),
		"loopback":        frame4(netip.MustParseAddr("127.0.0.1"), outside, GuestMAC),
	} {
		if checked := Check(frame); !checked.IsSpoofed || checked.Packet != nil || checked.Answer != nil {
			t.Errorf("%s: %+v", name, checked)
		}
	}
	for _, to := range []string{"224.0.0.251", "255.255.255.255", "10.0.2.255"} {
		if checked := Check(frame4(Guest4, netip.MustParseAddr(to), GuestMAC)); checked.Packet != nil {
			t.Errorf("%s is forwarded", to)
		}
	}
}

func arp(operation byte, wanted, claimed netip.Addr) []byte {
	packet := []byte{0, 1, 8, 0, 6, 4, 0, operation}
	packet = append(append(packet, GuestMAC[:]...), claimed.AsSlice()...)
	packet = append(append(packet, make([]byte, 6)...), wanted.AsSlice()...)
	return ethernet(GuestMAC, TypeARP, packet)
}

func TestARPAnswersForTheGatewayAndTheNameserverOnly(t *testing.T) {
	for wanted, isOwn := range map[string]bool{"10.0.2.2": true, "10.0.2.3": true, "10.0.2.4": false, "10.0.2.15": false, "192.0.2.1": false} {
		checked := Check(arp(1, netip.MustParseAddr(wanted), Guest4))
		if (checked.Answer != nil) != isOwn {
			t.Errorf("%s: %+v", wanted, checked)
		}
	}
	if checked := Check(arp(2, Gateway4, Gateway4)); checked.Answer != nil || checked.Packet != nil {
		t.Errorf("a reply that nobody asked for: %+v", checked)
	}
}

func FuzzCheck(f *testing.F) {
	f.Add(frame4(Guest4, netip.MustParseAddr("192.0.2.1"), GuestMAC))
	f.Add(arp(1, Gateway4, Guest4))
	f.Add([]byte{})
	solicitation := make([]byte, 40+24)
	solicitation[0], solicitation[5], solicitation[6], solicitation[7], solicitation[40] = 0x60, 24, 58, 255, 135
	copy(solicitation[8:], netip.MustParseAddr("fec0::15").AsSlice())
	copy(solicitation[24:], netip.MustParseAddr("ff02::1:ff00:2").AsSlice())
	copy(solicitation[48:], Gateway6.AsSlice())
	f.Add(ethernet(GuestMAC, TypeIPv6, solicitation))
	f.Fuzz(func(t *testing.T, frame []byte) {
		checked := Check(frame)
		if checked.Packet == nil {
			return
		}
		if len(checked.Packet) > len(frame) || MAC(frame[6:12]) != GuestMAC {
			t.Fatalf("%+v of %x", checked, frame)
		}
		from := netip.AddrFrom4([4]byte(checked.Packet[12:16]))
		if checked.Type == TypeIPv6 {
			from = netip.AddrFrom16([16]byte(checked.Packet[8:24]))
		}
		isGuests := from == Guest4 || Link6.Contains(from) && !IsOwn(from) || from.IsLinkLocalUnicast() && IsOwn(checked.To)
		if !isGuests || checked.To.IsMulticast() {
			t.Fatalf("from %s to %s", from, checked.To)
		}
	})
}

func FuzzReader(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 7, 0, 0, 0, 0, 0, 0, 0, 2, 8, 9})
	f.Add([]byte{255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, stream []byte) {
		reader := NewReader(bytes.NewReader(stream))
		total := 0
		for {
			frame, err := reader.Next()
			if err != nil {
				return
			}
			if total += LengthBytes + len(frame); len(frame) == 0 || len(frame) > MaxFrame || total > len(stream) {
				t.Fatalf("a frame of %d bytes", len(frame))
			}
		}
	})
}

func TestFramesThatAreTooLongAreSkipped(t *testing.T) {
	stream := append([]byte{0, 0, 8, 0}, make([]byte, 2048)...)
	stream = append(stream, 0, 0, 0, 3, 'a', 'b', 'c', 0, 0, 0)
	reader := NewReader(bytes.NewReader(stream))
	if frame, err := reader.Next(); string(frame) != "abc" || err != nil {
		t.Errorf("%q, %v", frame, err)
	}
	if _, err := reader.Next(); err != io.EOF {
		t.Errorf("%v at the end", err)
	}
}
