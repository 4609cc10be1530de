package outside

import (
	"net"
	"strings"
	"testing"
	"time"

	"banger.dev/host/internal/net/gate"
)

// serveUDP echoes datagrams on loopback; returns the port.
func serveUDP(t testing.TB, answer func([]byte) []byte) uint16 {
	t.Helper()
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	go func() {
		buffer := make([]byte, 64<<10)
		for {
			count, from, err := socket.ReadFromUDPAddrPort(buffer)
			if err != nil {
				return
			}
			if answered := answer(buffer[:count]); answered != nil {
				_, _ = socket.WriteToUDPAddrPort(answered, from)
			}
		}
	}()
	return uint16(socket.LocalAddr().(*net.UDPAddr).Port)
}

func same(datagram []byte) []byte { return datagram }

func TestDatagramsReachAnExposedPort(t *testing.T) {
	guest, network := newGuest(t, gate.Open{})
	port := serveUDP(t, same)
	network.Expose([]uint16{port})
	connection := guest.dialUDP(t, at("10.0.2.2", port))
	// The second is more than one packet of the link, in both directions.
	for _, size := range []int{5, 9000} {
		sent := make([]byte, size)
		sent[size-1] = 7
		if _, err := connection.Write(sent); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 64<<10)
		count, err := connection.Read(got)
		if err != nil || count != size || got[size-1] != 7 {
			t.Fatalf("%d of %d bytes came back, %v", count, size, err)
		}
	}
}

func TestARefusedDatagramIsAnsweredAtOnce(t *testing.T) {
	guest, network := newGuest(t, picky{refused: 81})
	for _, to := range []string{"10.0.2.2:9", "192.0.2.1:81", "[2001:db8::1]:81", "169.254.169.254:53"} {
		connection := guest.dialUDP(t, to)
		_, _ = connection.Write([]byte("x"))
		// A read that waits already does not notice an error.
		var err error
		for range 50 {
			if failure := connection.SetDeadline(time.Now().Add(100 * time.Millisecond)); failure != nil {
				t.Fatal(failure)
			}
			if _, err = connection.Read(make([]byte, 10)); err == nil || strings.Contains(err.Error(), "refused") {
				break
			}
		}
		if err == nil || !strings.Contains(err.Error(), "refused") {
			t.Errorf("%s: the guest sees %v", to, err)
		}
	}
	if refused := network.Counters.Refused.Load(); refused < 4 {
		t.Errorf("%d refusals are counted", refused)
	}
}

func TestThereAreNeverMoreFlowsThanTheLimit(t *testing.T) {
	guest, network := newGuest(t, gate.Open{})
	port := serveUDP(t, same)
	network.Expose([]uint16{port})
	for range maxFlows + 50 {
		connection := guest.dialUDP(t, at("10.0.2.2", port))
		if _, err := connection.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := connection.Read(make([]byte, 10)); err != nil {
			t.Fatalf("a new flow does not work: %v", err)
		}
	}
	network.flowsLock.Lock()
	defer network.flowsLock.Unlock()
	if open := len(network.flows); open > maxFlows {
		t.Errorf("%d flows are open", open)
	}
}
