package sniff

import (
	"bytes"
	"crypto/tls"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
)

// helloOf returns what a real TLS client sends first.
func helloOf(t testing.TB, config *tls.Config) []byte {
	t.Helper()
	client, server := net.Pipe()
	defer client.Close()
	go func() {
		tls.Client(client, config).Handshake()
	}()
	header := make([]byte, recordHeaderBytes)
	if _, err := io.ReadFull(server, header); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, int(header[3])<<8|int(header[4]))
	if _, err := io.ReadFull(server, body); err != nil {
		t.Fatal(err)
	}
	server.Close()
	return append(header, body...)
}

// fragmented spreads the message of a record over records of size bytes.
func fragmented(record []byte, size int) []byte {
	var out []byte
	for rest := record[recordHeaderBytes:]; len(rest) > 0; {
		part := rest[:min(size, len(rest))]
		rest = rest[len(part):]
		out = append(out, handshakeRecord, 3, 1, byte(len(part)>>8), byte(len(part)))
		out = append(out, part...)
	}
	return out
}

// only allows one server, and remembers the others.
func only(name string, seen *[]Server) Judge {
	return func(server Server) *Refusal {
		if seen != nil {
			*seen = append(*seen, server)
		}
		if server.Name == name {
			return nil
		}
		return &Refusal{Reason: "another server", Name: server.Name}
	}
}

// feed gives a guard its input in parts, and returns what it lets through.
func feed(guard *Guard, input []byte, size func() int) ([]byte, *Refusal) {
	var sent []byte
	for len(input) > 0 {
		part := append([]byte(nil), input[:min(max(1, size()), len(input))]...)
		input = input[len(part):]
		passed, refusal := guard.Inspect(part)
		sent = append(sent, passed...)
		if refusal != nil {
			return sent, refusal
		}
	}
	return sent, nil
}

func whole() int { return 1 << 20 }

type guardCase struct {
	name  string
	input []byte
	// reason is that of the refusal, or empty.
	reason string
	// passed is how much passes, or -1 for everything.
	passed int
}

func cases(t testing.TB) []guardCase {
	hello := helloOf(t, &tls.Config{ServerName: "good.test"})
	evil := helloOf(t, &tls.Config{ServerName: "evil.test"})
	nameless := helloOf(t, &tls.Config{InsecureSkipVerify: true})
	changeCipher := []byte{changeCipherSpec, 3, 3, 0, 1, 1}
	data := []byte{applicationData, 3, 3, 0, 5, 'h', 'e', 'l', 'l', 'o'}
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	get := []byte("GET / HTTP/1.1\r\nHost: good.test\r\n\r\n")
	evilGet := []byte("GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n")
	withEch := withExtension(hello, echExtension, []byte{0, 0, 1, 0, 1, 7, 0, 0, 0, 0})
	earlyHello := withExtension(hello, earlyDataExtension, nil)
	return []guardCase{
		{"TLS", join(hello, data), "", -1},
		{"TLS in upper case", helloOf(t, &tls.Config{ServerName: "GOOD.test"}), "", -1},
		{"TLS for another server", evil, "another server", 0},
		{"TLS without a name", nameless, "no server name", 0},
		{"a hello in records of one byte", join(fragmented(hello, 1), data), "", -1},
		{"a hello for another server in records of one byte", fragmented(evil, 1), "another server", 0},
		{"an encrypted hello", withEch, "ECH", 0},
		{"a duplicate extension", withExtension(hello, serverNameExtension, []byte{0, 0}), "malformed", 0},
		{"a second hello for another server", join(hello, changeCipher, evil), "another server", len(hello) + len(changeCipher)},
		{"a second hello for the same server", join(hello, changeCipher, hello, data), "", -1},
		{"a second hello after early data", join(earlyHello, data, data, evil), "another server", len(earlyHello) + 2*len(data)},
		{"a hello after encrypted data", join(hello, data, evil), "", -1},
		{"TLS 1.2 after its hello", join(hello, []byte{handshakeRecord, 3, 3, 0, 4, 16, 0, 0, 0}, evil), "", -1},
		{"a finished message that begins like a hello", join(hello, changeCipher, []byte{handshakeRecord, 3, 3, 0, 8, 1, 0, 0, 4, 9, 9, 9, 9}), "", -1},
		{"a record that is not a hello", []byte{handshakeRecord, 3, 1, 0, 4, 2, 0, 0, 0}, "malformed", 0},
		{"an empty record", []byte{handshakeRecord, 3, 1, 0, 0}, "malformed", 0},
		{"a hello with bytes after it", append(join(hello[:3], []byte{byte((len(hello) - 4) >> 8), byte(len(hello) - 4)}, hello[5:]), 0), "malformed", 0},

		{"HTTP", get, "", -1},
		{"HTTP with a port", []byte("GET / HTTP/1.1\r\nhost:\tGood.Test.:8080 \r\n\r\n"), "", -1},
		{"HTTP for another server", evilGet, "another server", 0},
		{"a second request for another server", join(get, evilGet), "another server", len(get)},
		{"a request for another server after a body", join([]byte("POST / HTTP/1.1\r\nHost: good.test\r\nContent-Length: 5\r\n\r\nhello"), evilGet), "another server", 58 + 5},
		{"a request in a body", join([]byte("POST / HTTP/1.1\r\nHost: good.test\r\nContent-Length: "), []byte("35\r\n\r\n"), evilGet), "", -1},
		{"a request after a chunked body", join([]byte("POST / HTTP/1.1\r\nHost: good.test\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nTrailer: x\r\n\r\n"), evilGet), "another server", 95},
		{"a request in a chunk", []byte("POST / HTTP/1.1\r\nHost: good.test\r\nTransfer-Encoding: chunked\r\n\r\n23\r\n" + string(evilGet) + "\r\n0\r\n\r\n"), "", -1},
		{"empty lines before a request", join([]byte("\r\n \r\n"), evilGet), "another server", 5},
		{"empty lines between requests", join(get, []byte("\r\n"), get), "", -1},
		{"a request without a host", []byte("GET / HTTP/1.0\r\n\r\n"), "names no host", 0},
		{"HTTP/0.9", []byte("GET /\r\n"), "malformed", 0},
		{"two hosts", []byte("GET / HTTP/1.1\r\nHost: good.test\r\nHost: evil.test\r\n\r\n"), "contradictory", 0},
		{"two lengths", []byte("GET / HTTP/1.1\r\nHost: good.test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"), "contradictory", 0},
		{"a length and a coding", []byte("GET / HTTP/1.1\r\nHost: good.test\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"), "contradictory", 0},
		{"another coding", []byte("GET / HTTP/1.1\r\nHost: good.test\r\nTransfer-Encoding: xchunked\r\n\r\n"), "unknown transfer coding", 0},
		{"a length with a sign", []byte("GET / HTTP/1.1\r\nHost: good.test\r\nContent-Length: +1\r\n\r\n"), "malformed", 0},
		{"a folded field", []byte("GET / HTTP/1.1\r\nX: y\r\n Host: evil.test\r\nHost: good.test\r\n\r\n"), "malformed", 0},
		{"a blank before a colon", []byte("GET / HTTP/1.1\r\nHost : evil.test\r\nHost: good.test\r\n\r\n"), "malformed", 0},
		{"lines that end with a line feed only", []byte("GET / HTTP/1.1\nHost: evil.test\n\n"), "malformed", 0},
		{"a line feed in a field", []byte("GET / HTTP/1.1\r\nX: y\nHost: evil.test\r\nHost: good.test\r\n\r\n"), "malformed", 0},
		{"a host with a user", []byte("GET / HTTP/1.1\r\nHost: good.test@evil.test\r\n\r\n"), "malformed", 0},
		{"lower case", []byte("get / http/1.1\r\nHost: evil.test\r\n\r\n"), "malformed", 0},
		{"two blanks", []byte("GET  / HTTP/1.1\r\nHost: evil.test\r\n\r\n"), "malformed", 0},
		{"HTTP/2 without TLS", []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), "HTTP/2 without TLS", 0},
		{"HTTP/2 by an upgrade", join([]byte("GET / HTTP/1.1\r\nHost: good.test\r\nUpgrade: h2c\r\n\r\n"), []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")), "HTTP/2 without TLS", 49},
		{"a WebSocket", join([]byte("GET / HTTP/1.1\r\nHost: good.test\r\nUpgrade: websocket\r\n\r\n"), []byte{0x81, 0x85, 1, 2, 3, 4}, evilGet), "", -1},
		{"a WebSocket whose first frame begins like a letter", join([]byte("GET / HTTP/1.1\r\nHost: good.test\r\nUpgrade: websocket\r\n\r\n"), []byte{0x41, 0x85, 1, 2}), "", -1},
		{"a request after an upgrade that the server may refuse", join([]byte("GET / HTTP/1.1\r\nHost: good.test\r\nUpgrade: websocket\r\n\r\n"), evilGet), "another server", 55},
		{"TLS after plain HTTP", join(get, hello), "", len(get)},

		{"a proxy asked for the server", join([]byte("CONNECT good.test:443 HTTP/1.1\r\nHost: good.test:443\r\n\r\n"), hello, data), "", -1},
		{"a proxy asked for another server", []byte("CONNECT evil.test:443 HTTP/1.1\r\nHost: good.test\r\n\r\n"), "another server", 0},
		{"a tunnel with TLS for another server", join([]byte("CONNECT good.test:443 HTTP/1.1\r\n\r\n"), evil), "asked a proxy", 34},
		{"a proxy asked for another server by URL", []byte("GET http://evil.test/ HTTP/1.1\r\nHost: good.test\r\n\r\n"), "another server", 0},
		{"another host than in the URL", []byte("GET http://good.test/ HTTP/1.1\r\nHost: evil.test\r\n\r\n"), "another server", 0},
		{"a URL with a user", []byte("GET http://good.test@evil.test/ HTTP/1.1\r\nHost: good.test\r\n\r\n"), "malformed", 0},

		{"SSH", []byte("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n\x00\x00"), "", -1},
		{"PostgreSQL", []byte{0, 0, 0, 8, 4, 210, 22, 47}, "", -1},
		{"Redis", []byte("*1\r\n$4\r\nPING\r\n"), "", -1},
		{"SMTP", []byte("EHLO me.test\r\n"), "", -1},
		{"git", []byte("0032git-upload-pack /x.git\x00host=good.test\x00"), "", -1},
	}
}

// withExtension appends an extension to a hello in one record.
func withExtension(record []byte, kind int, content []byte) []byte {
	out := append([]byte(nil), record...)
	added := append([]byte{byte(kind >> 8), byte(kind), byte(len(content) >> 8), byte(len(content))}, content...)
	// header 5, message header 4, version 2, random 32
	at := 43
	at += 1 + int(out[at])
	at += 2 + int(out[at])<<8 + int(out[at+1])
	at += 1 + int(out[at])
	for _, place := range []struct{ at, width int }{{at, 2}, {6, 3}, {3, 2}} {
		length := 0
		for each := range place.width {
			length = length<<8 | int(out[place.at+each])
		}
		length += len(added)
		for each := place.width - 1; each >= 0; each-- {
			out[place.at+each] = byte(length)
			length >>= 8
		}
	}
	return append(out, added...)
}

func TestAGuardLetsOnlyThroughWhatIsForAnAllowedServer(t *testing.T) {
	for _, each := range cases(t) {
		if each.name == "TLS after plain HTTP" {
			continue
		}
		for _, size := range []func() int{whole, func() int { return 1 }, func() int { return 7 }} {
			budget := NewBudget(1 << 20)
			guard := NewGuard(only("good.test", nil), budget)
			sent, refusal := feed(guard, each.input, size)
			reason := ""
			if refusal != nil {
				reason = refusal.Reason
			}
			if (each.reason == "") != (refusal == nil) || !strings.Contains(reason, each.reason) {
				t.Errorf("%s: refused %q, not %q", each.name, reason, each.reason)
			}
			isWhole := size() == whole()
			if each.passed < 0 && !bytes.Equal(sent, each.input) {
				t.Errorf("%s: %d of %d bytes passed", each.name, len(sent), len(each.input))
			}
			// What came with a refused part is not sent, so with one large part nothing is.
			if each.passed >= 0 && !isWhole && (len(sent) > each.passed || !bytes.HasPrefix(each.input, sent)) {
				t.Errorf("%s: %d bytes passed, not %d", each.name, len(sent), each.passed)
			}
			guard.Close()
			if budget.Held() != 0 {
				t.Errorf("%s: %d bytes are still accounted for", each.name, budget.Held())
			}
		}
	}
}

func TestAGuardDecidesTheSameHoweverTheInputIsCut(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, each := range cases(t) {
		for range 50 {
			guard := NewGuard(only("good.test", nil), NewBudget(1<<20))
			_, refusal := feed(guard, each.input, func() int { return random.IntN(1 + random.IntN(200)) })
			if each.name != "TLS after plain HTTP" && (refusal == nil) != (each.reason == "") {
				t.Fatalf("%s: %v", each.name, refusal)
			}
		}
	}
}

func TestAGuardHoldsABoundedBeginning(t *testing.T) {
	for _, begin := range []string{"GET /", "GET / HTTP/1.1\r\nX: ", "A", "PING "} {
		guard := NewGuard(only("good.test", nil), NewBudget(1<<20))
		sent, refusal := feed(guard, []byte(begin+strings.Repeat("a", 2*maxHeldBytes)), func() int { return 4096 })
		if refusal == nil || len(sent) > 0 {
			t.Errorf("%q: %d bytes passed, refused %v", begin, len(sent), refusal)
		}
	}
	endless := append([]byte{handshakeRecord, 3, 1, 0x40, 0, clientHello, 0, 0x7f, 0xff, 3, 3}, make([]byte, 2*maxHeldBytes)...)
	if _, refusal := feed(NewGuard(only("", nil), NewBudget(1<<20)), endless, whole); refusal == nil {
		t.Error("a hello without end is not refused")
	}
}

func TestGuardsShareABudget(t *testing.T) {
	budget := NewBudget(1000)
	var guards []*Guard
	refused := 0
	for range 100 {
		guard := NewGuard(only("good.test", nil), budget)
		guards = append(guards, guard)
		if _, refusal := guard.Inspect([]byte("GET / HTTP/1.1\r\nHost: go")); refusal != nil {
			refused++
		}
	}
	if refused != 100-1000/24 || budget.Held() > 1000 {
		t.Errorf("%d refused, %d bytes held", refused, budget.Held())
	}
	for _, guard := range guards {
		guard.Close()
		guard.Close()
	}
	if budget.Held() != 0 {
		t.Errorf("%d bytes held in the end", budget.Held())
	}
}

func TestAGuardThatExpiresRefusesTheRest(t *testing.T) {
	guard := NewGuard(only("good.test", nil), NewBudget(1000))
	guard.Inspect([]byte("GET / HT"))
	if !guard.IsWaiting() || guard.Expire() == nil || guard.IsWaiting() {
		t.Error("it does not expire")
	}
	if sent, refusal := guard.Inspect([]byte("TP/1.1\r\n")); refusal == nil || len(sent) > 0 {
		t.Error("it goes on after it has expired")
	}
}

func FuzzGuard(f *testing.F) {
	for _, each := range cases(f) {
		f.Add(each.input, uint16(3))
	}
	f.Fuzz(func(t *testing.T, input []byte, size uint16) {
		budget := NewBudget(1 << 20)
		all := NewGuard(only("good.test", nil), budget)
		sentAtOnce, refusalAtOnce := feed(all, input, whole)
		cut := NewGuard(only("good.test", nil), budget)
		sent, refusal := feed(cut, input, func() int { return int(size%1000) + 1 })
		if (refusal == nil) != (refusalAtOnce == nil) {
			t.Fatalf("at once %v, in parts %v", refusalAtOnce, refusal)
		}
		if !bytes.HasPrefix(input, sent) || !bytes.HasPrefix(input, sentAtOnce) {
			t.Fatal("something else passed than came")
		}
		if refusal == nil && !bytes.Equal(sent, sentAtOnce) {
			t.Fatalf("%d bytes passed at once, %d in parts", len(sentAtOnce), len(sent))
		}
		all.Close()
		cut.Close()
		if budget.Held() != 0 {
			t.Fatalf("%d bytes are still accounted for", budget.Held())
		}
	})
}
