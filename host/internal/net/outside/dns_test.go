package outside

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"banger.dev/host/internal/net/gate"
)

// nameserver answers A queries with an address; returns its port. It serves UDP and TCP.
func nameserver(t testing.TB, address string, isTruncated bool) uint16 {
	t.Helper()
	answer := func(query []byte, cut bool) []byte {
		var message dnsmessage.Message
		if message.Unpack(query) != nil {
			return nil
		}
		message.Response, message.Truncated = true, cut
		if !cut {
			message.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: message.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: 60},
				Body:   &dnsmessage.AResource{A: netip.MustParseAddr(address).As4()},
			}}
		}
		packed, _ := message.Pack()
		return packed
	}
	port := serveUDP(t, func(query []byte) []byte { return answer(query, isTruncated) })
	listener, err := net.Listen("tcp", at("127.0.0.1", port))
	if err != nil {
		t.Skipf("the port is taken for TCP: %v", err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			var length [2]byte
			_, _ = io.ReadFull(connection, length[:])
			query := make([]byte, binary.BigEndian.Uint16(length[:]))
			_, _ = io.ReadFull(connection, query)
			answered := answer(query, false)
			_, _ = connection.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answered))), answered...))
			connection.Close()
		}
	}()
	return port
}

func useNameserver(t testing.TB, network *Network, port uint16) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(path, []byte("# ours\nsearch example\nnameserver 127.0.0.1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	network.resolver.path, network.resolver.port = path, port
	return path
}

func query(t testing.TB, name string, kind dnsmessage.Type) []byte {
	t.Helper()
	message := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 4711, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET}},
	}
	packed, err := message.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return packed
}

func ask(t testing.TB, guest *guest, to string, asked []byte) dnsmessage.Message {
	t.Helper()
	connection := guest.dialUDP(t, to)
	if _, err := connection.Write(asked); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 4096)
	count, err := connection.Read(got)
	if err != nil {
		t.Fatal(err)
	}
	var message dnsmessage.Message
	if err := message.Unpack(got[:count]); err != nil {
		t.Fatal(err)
	}
	return message
}

func TestNamesAreResolvedByTheHostsNameserver(t *testing.T) {
	guest, network := newGuest(t, gate.Open{})
	useNameserver(t, network, nameserver(t, "192.0.2.7", false))
	for _, server := range []string{"10.0.2.3:53", "[fec0::3]:53"} {
		message := ask(t, guest, server, query(t, "somewhere.test.", dnsmessage.TypeA))
		if message.ID != 4711 || len(message.Answers) != 1 || !strings.Contains(message.Answers[0].Body.GoString(), "192, 0, 2, 7") {
			t.Errorf("%s answered %v", server, message.GoString())
		}
	}
}

func TestAHostThatMovesToAnotherNetworkHasOtherNameservers(t *testing.T) {
	guest, network := newGuest(t, gate.Open{})
	path := useNameserver(t, network, nameserver(t, "192.0.2.7", false))
	ask(t, guest, "10.0.2.3:53", query(t, "somewhere.test.", dnsmessage.TypeA))
	later := nameserver(t, "192.0.2.8", false)
	network.resolver.mutex.Lock()
	network.resolver.port = later
	network.resolver.mutex.Unlock()
	if err := os.WriteFile(path+".new", []byte("nameserver 127.0.0.1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	message := ask(t, guest, "10.0.2.3:53", query(t, "somewhere.test.", dnsmessage.TypeA))
	if len(message.Answers) != 1 || !strings.Contains(message.Answers[0].Body.GoString(), "192, 0, 2, 8") {
		t.Errorf("it answered %v", message.GoString())
	}
}

func TestATruncatedAnswerIsAskedForAgainOverTCP(t *testing.T) {
	guest, network := newGuest(t, gate.Open{})
	useNameserver(t, network, nameserver(t, "192.0.2.7", true))
	asked := query(t, "large.test.", dnsmessage.TypeA)
	if message := ask(t, guest, "10.0.2.3:53", asked); !message.Truncated {
		t.Errorf("it answered %v", message.GoString())
	}
	answer := exchangeTCP(t, guest, asked)
	if _, addresses, err := contentOf(answer); err != nil || len(addresses) != 1 || addresses[0].TTL != time.Minute {
		t.Errorf("it answered %v, %v", addresses, err)
	}
}

// nameless refuses one name, and every answer with one address.
type nameless struct{ gate.Open }

func (nameless) Query(name string, _ uint16) gate.Verdict {
	return gate.Verdict{Allowed: name != "forbidden.test"}
}

func (nameless) Answers(_ string, _ []string, addresses []gate.Address) gate.Verdict {
	return gate.Verdict{Allowed: addresses[0].Addr != netip.MustParseAddr("192.0.2.9")}
}

func TestTheGateDecidesAboutNamesAndTheirAddresses(t *testing.T) {
	guest, network := newGuest(t, nameless{})
	useNameserver(t, network, nameserver(t, "192.0.2.7", false))
	if message := ask(t, guest, "10.0.2.3:53", query(t, "Forbidden.TEST.", dnsmessage.TypeA)); message.RCode != dnsmessage.RCodeRefused {
		t.Errorf("it answered %v", message.GoString())
	}
	if message := ask(t, guest, "10.0.2.3:53", query(t, "allowed.test.", dnsmessage.TypeA)); len(message.Answers) != 1 {
		t.Errorf("it answered %v", message.GoString())
	}
	useNameserver(t, network, nameserver(t, "192.0.2.9", false))
	if message := ask(t, guest, "10.0.2.3:53", query(t, "allowed.test.", dnsmessage.TypeA)); message.RCode != dnsmessage.RCodeRefused {
		t.Errorf("it answered %v", message.GoString())
	}
}

func TestWithoutANameserverTheGuestIsToldSo(t *testing.T) {
	guest, network := newGuest(t, gate.Open{})
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	port := uint16(socket.LocalAddr().(*net.UDPAddr).Port)
	socket.Close()
	useNameserver(t, network, port)
	if message := ask(t, guest, "10.0.2.3:53", query(t, "a.test.", dnsmessage.TypeA)); message.RCode != dnsmessage.RCodeServerFailure {
		t.Errorf("it answered %v", message.GoString())
	}
}

func FuzzQueries(f *testing.F) {
	f.Add(query(f, "a.test.", dnsmessage.TypeA))
	f.Add([]byte{})
	network, err := New(nameless{}, f.Logf)
	if err != nil {
		f.Fatal(err)
	}
	network.resolver.path, network.resolver.port = "/nowhere", 9
	f.Fuzz(func(t *testing.T, message []byte) {
		answer := network.resolve(message, "udp")
		if answer != nil && binary.BigEndian.Uint16(answer) != binary.BigEndian.Uint16(message) {
			t.Error("it answers another query")
		}
	})
}

// exchangeTCP asks the guest's name server over TCP, and returns the bytes of its answer.
func exchangeTCP(t *testing.T, guest *guest, asked []byte) []byte {
	t.Helper()
	connection, err := guest.dial(t, "10.0.2.3:53")
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if _, err := connection.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(asked))), asked...)); err != nil {
		t.Fatal(err)
	}
	var length [2]byte
	if _, err := io.ReadFull(connection, length[:]); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(connection, answer); err != nil {
		t.Fatal(err)
	}
	return answer
}
