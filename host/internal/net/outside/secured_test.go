package outside

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"banger.dev/host/internal/net/secrets"
)

const (
	token       = "t0ken-of-the-host"
	placeholder = "banger-secret-0123456789abcdefghijklmnop"
)

// withSecret gives a guest a secret for example.com, whose server is an https server of the test.
func withSecret(t *testing.T, rules ...string) (*policed, *x509.CertPool, <-chan string) {
	t.Helper()
	got := make(chan string, 10)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		got <- request.Header.Get("Authorization")
		fmt.Fprint(answer, "hello")
	}))
	server.StartTLS()
	t.Cleanup(server.Close)
	p := newPoliced(t, func(connection net.Conn) {
		there, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		defer there.Close()
		go func() { _, _ = io.Copy(there, connection); _ = there.(*net.TCPConn).CloseWrite() }()
		_, _ = io.Copy(connection, there)
	}, rules...)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	proxy := secrets.New(roots, nil)
	secret := secrets.Secret{Name: "TOKEN", Placeholder: placeholder, Host: "example.com", Port: 443, Value: token}
	if err := proxy.Replace(secrets.Config{Seed: make([]byte, secrets.SeedBytes), Secrets: []secrets.Secret{secret}}); err != nil {
		t.Fatal(err)
	}
	p.network.Secrets = proxy
	authority, err := proxy.Authority()
	if err != nil {
		t.Fatal(err)
	}
	trust := x509.NewCertPool()
	trust.AppendCertsFromPEM([]byte(authority.PEM))
	return p, trust, got
}

func (p *policed) request(t *testing.T, address string, config *tls.Config) error {
	t.Helper()
	connection, err := p.dial(t, address)
	if err != nil {
		return err
	}
	defer connection.Close()
	secured := tls.Client(connection, config)
	_ = secured.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := fmt.Fprintf(secured, "GET / HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\nConnection: close\r\n\r\n", config.ServerName, placeholder); err != nil {
		return err
	}
	text, err := io.ReadAll(secured)
	if err == nil && !strings.Contains(string(text), "hello") {
		return fmt.Errorf("answered %q", text)
	}
	return err
}

func TestAServerOfASecretGetsItsValue(t *testing.T) {
	p, trust, got := withSecret(t, "example.com:443")
	p.resolves(t, "example.com", "192.0.2.1")
	if err := p.request(t, "192.0.2.1:443", &tls.Config{RootCAs: trust, ServerName: "example.com"}); err != nil {
		t.Fatal(err)
	}
	if text := <-got; text != token {
		t.Errorf("the server gets %q", text)
	}
}

func TestPoliciesHoldForServersOfSecretsToo(t *testing.T) {
	p, trust, got := withSecret(t, "example.com:443", "*.example.com:443")
	p.resolves(t, "www.example.com", "192.0.2.2")
	// The address belongs to another name, and the server there would be trusted.
	if err := p.request(t, "192.0.2.2:443", &tls.Config{RootCAs: trust, ServerName: "example.com"}); err == nil {
		t.Error("an address that was not resolved for the server is reached")
	}
	p.expectRefusal(t, "not resolved to this address", "example.com:443")
	if err := p.request(t, "192.0.2.1:443", &tls.Config{RootCAs: trust, ServerName: "example.com"}); err == nil {
		t.Error("an address without a name is reached")
	}
	if len(got) > 0 {
		t.Errorf("the server got %q", <-got)
	}
}

func TestAnotherServerAtTheSamePortIsLeftAlone(t *testing.T) {
	p, _, got := withSecret(t, "192.0.2.0/24:443")
	// The server's own certificate, which is for another server of the guest.
	config := &tls.Config{InsecureSkipVerify: true, ServerName: "other.test"}
	if err := p.request(t, "192.0.2.1:443", config); err != nil {
		t.Fatal(err)
	}
	if text := <-got; text != placeholder {
		t.Errorf("another server gets %q", text)
	}
}

func TestAServerThatSpeaksFirstAtAPortOfASecretIsHeard(t *testing.T) {
	p := newPoliced(t, func(connection net.Conn) {
		_, _ = io.WriteString(connection, "220 ready\r\n")
		_, _ = io.Copy(connection, connection)
	}, "192.0.2.0/24:443")
	proxy := secrets.New(x509.NewCertPool(), nil)
	secret := secrets.Secret{Name: "TOKEN", Placeholder: placeholder, Host: "example.com", Port: 443, Value: token}
	if err := proxy.Replace(secrets.Config{Seed: make([]byte, secrets.SeedBytes), Secrets: []secrets.Secret{secret}}); err != nil {
		t.Fatal(err)
	}
	p.network.Secrets = proxy
	for _, early := range []string{"", "\x16\x03"} {
		connection, err := p.dial(t, "192.0.2.1:443")
		if err != nil {
			t.Fatal(err)
		}
		defer connection.Close()
		_ = connection.SetDeadline(time.Now().Add(20 * time.Second))
		_, _ = io.WriteString(connection, early)
		want := "220 ready\r\n" + early + "hello"
		greeting := make([]byte, len("220 ready\r\n"))
		if _, err := io.ReadFull(connection, greeting); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(connection, "hello")
		rest := make([]byte, len(early)+len("hello"))
		if _, err := io.ReadFull(connection, rest); err != nil || string(greeting)+string(rest) != want {
			t.Errorf("%q %q %v", greeting, rest, err)
		}
	}
}
