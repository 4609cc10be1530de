package outside

import (
	"bytes"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"banger.dev/host/internal/net/gate"
)

func TestAGuestReachesAnExposedPortOfTheHost(t *testing.T) {
	guest, network := newGuest(t, gate.Open{})
	port := serve(t, "127.0.0.1", echoes)
	network.Expose([]uint16{port})
	for _, gateway := range []string{"10.0.2.2", "fec0::2"} {
		connection, err := guest.dial(t, at(gateway, port))
		if err != nil {
			t.Fatalf("cannot reach %s: %v", gateway, err)
		}
		if _, err := connection.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		if err := connection.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(connection)
		if err != nil || string(got) != "hello" {
			t.Errorf("%s answered %q, %v", gateway, got, err)
		}
		connection.Close()
	}
}

func TestAPortThatIsNotExposedIsRefusedAtOnce(t *testing.T) {
	guest, network := newGuest(t, gate.Open{})
	reached := make(chan struct{}, 10)
	port := serve(t, "127.0.0.1", func(net.Conn) { reached <- struct{}{} })
	network.Expose([]uint16{port + 1})
	for _, to := range []string{
		at("10.0.2.2", port), at("fec0::2", port), at("127.0.0.1", port), at("10.0.2.3", port),
		at("::ffff:127.0.0.1", port), at("64:ff9b::7f00:1", port), at("169.254.169.254", 80), at("fd00:ec2::254", 80),
		at("0.0.0.0", port), at("127.77.0.1", port),
	} {
		begun := time.Now()
		connection, err := guest.dial(t, to)
		if err == nil {
			connection.Close()
			t.Errorf("%s is reached", to)
			continue
		}
		if strings.HasPrefix(to, "127.") || strings.HasPrefix(to, "0.") || strings.HasPrefix(to, "[::ffff") {
			continue // The guest's own stack may refuse these.
		}
		if took := time.Since(begun); took > 5*time.Second || !strings.Contains(err.Error(), "refused") {
			t.Errorf("%s: %v after %s", to, err, took)
		}
	}
	if len(reached) > 0 {
		t.Error("a server of the host's loopback was reached")
	}
}

func TestALargeTransferArrivesWhole(t *testing.T) {
	guest, network := newGuest(t, gate.Open{})
	const size = 8 << 20
	content := make([]byte, size)
	for at := range content {
		content[at] = byte(rand.Uint32())
	}
	sums := make(chan [32]byte, 1)
	port := serve(t, "127.0.0.1", func(connection net.Conn) {
		go func() {
			_, _ = connection.Write(content)
			_ = connection.(*net.TCPConn).CloseWrite()
		}()
		got, _ := io.ReadAll(connection)
		sums <- sha256.Sum256(got)
	})
	network.Expose([]uint16{port})
	connection, err := guest.dial(t, at("10.0.2.2", port))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	var sending sync.WaitGroup
	sending.Go(func() {
		_, _ = connection.Write(content)
		_ = connection.CloseWrite()
	})
	got, err := io.ReadAll(connection)
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d of %d bytes arrived, %v", len(got), size, err)
	}
	sending.Wait()
	if <-sums != sha256.Sum256(content) {
		t.Error("the server got other bytes")
	}
}

func TestAServerThatRefusesLooksSoToTheGuest(t *testing.T) {
	guest, network := newGuest(t, gate.Open{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := uint16(listener.Addr().(*net.TCPAddr).Port)
	listener.Close()
	network.Expose([]uint16{port})
	if _, err := guest.dial(t, at("10.0.2.2", port)); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("the guest sees %v", err)
	}
}

func TestAnAbortedConnectionIsNoRegularEnd(t *testing.T) {
	guest, network := newGuest(t, gate.Open{})
	port := serve(t, "127.0.0.1", func(connection net.Conn) {
		_, _ = connection.Write([]byte("half"))
		time.Sleep(50 * time.Millisecond)
		_ = connection.(*net.TCPConn).SetLinger(0)
	})
	network.Expose([]uint16{port})
	connection, err := guest.dial(t, at("10.0.2.2", port))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if got, err := io.ReadAll(connection); err == nil {
		t.Errorf("the guest takes %q for all", got)
	}
}

// picky refuses one port.
type picky struct {
	gate.Open
	refused uint16
}

func (p picky) Dial(proto gate.Proto, to netip.AddrPort) gate.Verdict {
	verdict := p.Open.Dial(proto, to)
	verdict.Allowed = verdict.Allowed && to.Port() != p.refused
	return verdict
}

func TestTheGateDecidesAboutWhatIsOutside(t *testing.T) {
	guest, network := newGuest(t, picky{refused: 81})
	if _, err := guest.dial(t, "192.0.2.1:81"); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("the guest sees %v", err)
	}
	if network.Counters.Refused.Load() == 0 {
		t.Error("the refusal is not counted")
	}
}

func TestConnectionsThatEndLeaveNothing(t *testing.T) {
	guest, network := newGuest(t, gate.Open{})
	port := serve(t, "127.0.0.1", echoes)
	network.Expose([]uint16{port})
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			connection, err := guest.dial(t, at("10.0.2.2", port))
			if err != nil {
				t.Error(err)
				return
			}
			defer connection.Close()
			_, _ = connection.Write([]byte("x"))
			_ = connection.CloseWrite()
			_, _ = io.ReadAll(connection)
		})
	}
	all.Wait()
	ends := time.Now().Add(10 * time.Second)
	for network.Counters.OpenConnections.Load() > 0 || len(network.sockets) > 0 {
		if time.Now().After(ends) {
			t.Fatalf("%d connections are left, %d sockets; %d frames overflowed", network.Counters.OpenConnections.Load(),
				len(network.sockets), network.Link.Counters.Overflowed.Load())
		}
		time.Sleep(10 * time.Millisecond)
	}
}
