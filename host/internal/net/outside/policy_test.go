package outside

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"banger.dev/host/internal/net/gate"
	"banger.dev/host/internal/net/policy"
	"banger.dev/host/internal/net/policy/decisions"
)

// policed is a guest under a policy, whose outside is a server on loopback.
type policed struct {
	*guest
	network *Network
	gate    *policy.Gate
	log     string
}

func rulesOf(rules ...string) policy.Config {
	config := policy.Config{Mode: policy.Enforce}
	for _, rule := range rules {
		config.Rules = append(config.Rules, policy.ConfigRule{Rule: rule})
	}
	return config
}

// newPoliced starts a guest all of whose connections that are allowed lead to handle.
func newPoliced(t *testing.T, handle func(net.Conn), rules ...string) *policed {
	t.Helper()
	log := filepath.Join(t.TempDir(), "decisions.jsonl")
	decides, err := policy.Open(rulesOf(rules...), log)
	if err != nil {
		t.Fatal(err)
	}
	guest, network := newGuest(t, decides)
	port := serve(t, "127.0.0.1", handle)
	network.connect = func(ctx context.Context, _ netip.AddrPort) (*net.TCPConn, error) {
		return connect(ctx, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port))
	}
	return &policed{guest, network, decides, log}
}

func (p *policed) resolves(t *testing.T, name, address string) {
	t.Helper()
	if verdict := p.gate.Query(name, 1); !verdict.Allowed {
		t.Fatalf("%s: %+v", name, verdict)
	}
	answer := []gate.Address{{Addr: netip.MustParseAddr(address), TTL: time.Minute}}
	if verdict := p.gate.Answers(name, nil, answer); !verdict.Allowed {
		t.Fatalf("%s: %+v", name, verdict)
	}
}

// logged returns the lines of the log.
func (p *policed) logged(t *testing.T) []decisions.Entry {
	t.Helper()
	text, err := os.ReadFile(p.log)
	if err != nil {
		t.Fatal(err)
	}
	var entries []decisions.Entry
	for line := range strings.Lines(string(text)) {
		var entry decisions.Entry
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		entries = append(entries, entry)
	}
	return entries
}

func (p *policed) expectRefusal(t *testing.T, reason, allow string) {
	t.Helper()
	ends := time.Now().Add(10 * time.Second)
	for {
		for _, entry := range p.logged(t) {
			if entry.Verdict == decisions.Refused && strings.Contains(entry.Reason, reason) && entry.Allow == allow {
				return
			}
		}
		if time.Now().After(ends) {
			t.Fatalf("the log has no refusal %q with %q: %+v", reason, allow, p.logged(t))
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// received collects what a server gets.
func received() (func(net.Conn), <-chan string) {
	got := make(chan string, 10)
	return func(connection net.Conn) {
		text, _ := io.ReadAll(connection)
		got <- string(text)
	}, got
}

func TestTLSForAnotherServerNeverLeaves(t *testing.T) {
	handle, got := received()
	p := newPoliced(t, handle, "good.test:443")
	p.resolves(t, "good.test", "192.0.2.1")
	connection, err := p.dial(t, "192.0.2.1:443")
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if err := tls.Client(connection, &tls.Config{ServerName: "dns.evil.test"}).Handshake(); err == nil {
		t.Fatal("the handshake succeeds")
	}
	if text := <-got; text != "" {
		t.Errorf("%d bytes have left", len(text))
	}
	p.expectRefusal(t, "names a server that no rule allows", "dns.evil.test:443")
}

func TestASecondRequestForAnotherServerNeverLeaves(t *testing.T) {
	handle, got := received()
	p := newPoliced(t, handle, "good.test:80")
	p.resolves(t, "good.test", "192.0.2.1")
	connection, err := p.dial(t, "192.0.2.1:80")
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	good := "GET / HTTP/1.1\r\nHost: good.test\r\n\r\n"
	if _, err := io.WriteString(connection, good); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	_, _ = io.WriteString(connection, "GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n")
	if text := <-got; text != good && text != "" {
		t.Errorf("%q has left", text)
	}
	p.expectRefusal(t, "names a server that no rule allows", "evil.test:80")
}

func TestARequestForTheServerWorksAlsoWhenTheServerSpeaksFirst(t *testing.T) {
	p := newPoliced(t, func(connection net.Conn) {
		_, _ = io.WriteString(connection, "220 ready\r\n")
		_, _ = io.Copy(connection, connection)
	}, "good.test")
	p.resolves(t, "good.test", "192.0.2.1")
	connection, err := p.dial(t, "192.0.2.1:25")
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	lines := bufio.NewReader(connection)
	if line, err := lines.ReadString('\n'); err != nil || line != "220 ready\r\n" {
		t.Fatalf("%q, %v", line, err)
	}
	if _, err := io.WriteString(connection, "EHLO me\r\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := lines.ReadString('\n'); err != nil || line != "EHLO me\r\n" {
		t.Errorf("%q, %v", line, err)
	}
}

func TestALargeRequestPassesTheGuardWhole(t *testing.T) {
	sizes := make(chan int64, 1)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		size, _ := io.Copy(io.Discard, r.Body)
		sizes <- size
		fmt.Fprint(w, "done")
	})}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	p := newPoliced(t, echoes, "good.test:80")
	p.network.connect = func(ctx context.Context, _ netip.AddrPort) (*net.TCPConn, error) {
		return connect(ctx, netip.MustParseAddrPort(listener.Addr().String()))
	}
	p.resolves(t, "good.test", "192.0.2.1")
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) { return p.dial(t, "192.0.2.1:80") },
	}}
	const size = 3 << 20
	for _, body := range []io.Reader{strings.NewReader(strings.Repeat("x", size)), io.LimitReader(zeros{}, size)} {
		answer, err := client.Post("http://good.test/", "text/plain", body)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if got := <-sizes; got != size {
			t.Errorf("%d bytes of %d arrived", got, size)
		}
	}
}

type zeros struct{}

func (zeros) Read(buffer []byte) (int, error) {
	clear(buffer)
	return len(buffer), nil
}

func TestAChangedPolicyEndsWhatItNoLongerAllows(t *testing.T) {
	p := newPoliced(t, echoes, "good.test", "other.test")
	p.resolves(t, "good.test", "192.0.2.1")
	p.resolves(t, "other.test", "192.0.2.2")
	good, err := p.dial(t, "192.0.2.1:22")
	if err != nil {
		t.Fatal(err)
	}
	defer good.Close()
	other, err := p.dial(t, "192.0.2.2:22")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for _, connection := range []net.Conn{good, other} {
		echoed(t, connection)
	}
	if err := p.gate.Replace(rulesOf("good.test")); err != nil {
		t.Fatal(err)
	}
	p.network.Recheck()
	echoed(t, good)
	if err := other.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("a connection that is no longer allowed stays: %v", err)
	}
}

func echoed(t *testing.T, connection net.Conn) {
	t.Helper()
	if _, err := io.WriteString(connection, "\x00hello\n"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 7)
	if _, err := io.ReadFull(connection, got); err != nil || string(got) != "\x00hello\n" {
		t.Fatalf("%q, %v", got, err)
	}
}

func TestARefusalIsSeenAtOnceAndLogged(t *testing.T) {
	p := newPoliced(t, echoes, "good.test")
	begun := time.Now()
	for _, to := range []string{"192.0.2.9:443", "10.0.2.2:22", "169.254.169.254:80"} {
		if _, err := p.dial(t, to); err == nil || !strings.Contains(err.Error(), "refused") {
			t.Errorf("%s: %v", to, err)
		}
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("refusals took %s", took)
	}
	p.expectRefusal(t, "no rule allows the address", "192.0.2.9:443")
	p.expectRefusal(t, "not exposed", "")
	p.expectRefusal(t, "credentials", "169.254.169.254:80")
}
