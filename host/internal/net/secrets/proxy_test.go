package secrets

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	value       = "s3cr3t/value+with=signs"
	placeholder = "banger-secret-0123456789abcdefghijklmnop"
	other       = "banger-secret-other6789abcdefghijklmnop00"
)

// world is a proxy in front of a server for api.test, with a guest that trusts the proxy.
type world struct {
	*testing.T
	proxy  *Proxy
	server *httptest.Server
	used   []Use
	lock   sync.Mutex
	isFull bool
}

func (w *world) Secret(use Use) bool {
	w.lock.Lock()
	defer w.lock.Unlock()
	w.used = append(w.used, use)
	return use.Reason == "" && !w.isFull
}

func (w *world) uses() []Use {
	w.lock.Lock()
	defer w.lock.Unlock()
	return append([]Use(nil), w.used...)
}

func certificateFor(t *testing.T, host string) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host}, IsCA: true,
		BasicConstraintsValid: true, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	content, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{content}, PrivateKey: key}
}

func newWorld(t *testing.T, certificateHost string, handle http.HandlerFunc) *world {
	t.Helper()
	w := &world{T: t, server: httptest.NewUnstartedServer(handle)}
	own := certificateFor(t, certificateHost)
	w.server.TLS = &tls.Config{Certificates: []tls.Certificate{own}}
	w.server.EnableHTTP2 = true
	w.server.Config.ErrorLog = nil
	w.server.StartTLS()
	t.Cleanup(w.server.Close)
	roots := x509.NewCertPool()
	parsed, err := x509.ParseCertificate(own.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	roots.AddCert(parsed)
	w.proxy = New(roots, w)
	t.Cleanup(w.proxy.Close)
	w.replace(Secret{"TOKEN", placeholder, "api.test", 443, value}, Secret{"OTHER", other, "other.test", 443, "another value"})
	return w
}

func (w *world) replace(secrets ...Secret) {
	w.Helper()
	if err := w.proxy.Replace(Config{Seed: make([]byte, SeedBytes), Secrets: secrets}); err != nil {
		w.Fatal(err)
	}
}

// connect opens a connection of the guest for which the proxy stands for api.test.
func (w *world) connect() net.Conn {
	w.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.Fatal(err)
	}
	defer listener.Close()
	ours, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		w.Fatal(err)
	}
	theirs, err := listener.Accept()
	if err != nil {
		w.Fatal(err)
	}
	dial := func(context.Context) (net.Conn, error) { return net.Dial("tcp", w.server.Listener.Addr().String()) }
	first, err := dial(context.Background())
	if err != nil {
		w.Fatal(err)
	}
	go func() { _ = w.proxy.Serve(theirs, "api.test", 443, first, dial) }()
	w.Cleanup(func() { ours.Close() })
	return ours
}

func (w *world) trust() *x509.CertPool {
	authority, err := w.proxy.Authority()
	if err != nil {
		w.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(authority.PEM)) {
		w.Fatal("the authority is no certificate")
	}
	return pool
}

// client is a client in the guest.
func (w *world) client(isHTTP2 bool) *http.Client {
	transport := &http.Transport{
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return w.connect(), nil },
		TLSClientConfig:   &tls.Config{RootCAs: w.trust()},
		ForceAttemptHTTP2: isHTTP2,
	}
	w.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (w *world) do(client *http.Client, request *http.Request) (int, string, http.Header) {
	w.Helper()
	answer, err := client.Do(request)
	if err != nil {
		w.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		w.Fatal(err)
	}
	return answer.StatusCode, string(text), answer.Header
}

func get(t *testing.T, url string) *http.Request {
	t.Helper()
	request, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return request
}

func TestOnlyTheServerSeesTheValue(t *testing.T) {
	for _, isHTTP2 := range []bool{false, true} {
		t.Run(fmt.Sprint("HTTP/2 ", isHTTP2), func(t *testing.T) {
			seen := make(chan *http.Request, 1)
			w := newWorld(t, "api.test", func(answer http.ResponseWriter, request *http.Request) {
				seen <- request
				answer.Header().Set("X-Echo", request.Header.Get("X-Token"))
				fmt.Fprint(answer, "you are ", request.Header.Get("Authorization"), " at ", request.URL.RawQuery)
			})
			request := get(t, "https://api.test/a%2Fb//c?key="+placeholder+"&odd;=%zz")
			request.Header.Set("Authorization", "Bearer "+placeholder)
			request.Header.Set("X-Token", "<"+placeholder+">")
			request.Header.Set("X-Other", other)
			request.Header.Set("X-Forwarded-For", "192.0.2.1")
			request.Header.Set("Accept-Encoding", "gzip")
			status, text, header := w.do(w.client(isHTTP2), request)
			got := <-seen
			for what, is := range map[string][2]string{
				"authorization": {got.Header.Get("Authorization"), "Bearer " + value},
				"header":        {got.Header.Get("X-Token"), "<" + value + ">"},
				"other server":  {got.Header.Get("X-Other"), other},
				"forwarded":     {got.Header.Get("X-Forwarded-For"), "192.0.2.1"},
				"encoding":      {got.Header.Get("Accept-Encoding"), "identity"},
				"target":        {got.RequestURI, "/a%2Fb//c?key=s3cr3t%2Fvalue%2Bwith%3Dsigns&odd;=%zz"},
				"protocol":      {fmt.Sprint(got.ProtoMajor == 2), fmt.Sprint(isHTTP2)},
				"echoed header": {header.Get("X-Echo"), "<" + placeholder + ">"},
				"echoed body":   {text, "you are Bearer " + strings.Repeat("*", len(value)) + " at key=" + strings.Repeat("*", len("s3cr3t%2Fvalue%2Bwith%3Dsigns")) + "&odd;=%zz"},
				"status":        {fmt.Sprint(status), "200"},
				"log":           {fmt.Sprint(w.uses()), "[{TOKEN api.test 443 }]"},
			} {
				if is[0] != is[1] {
					t.Errorf("%s: %q, not %q", what, is[0], is[1])
				}
			}
		})
	}
}

func TestBasicAuthenticationHasTheValue(t *testing.T) {
	w := newWorld(t, "api.test", func(answer http.ResponseWriter, request *http.Request) {
		user, password, _ := request.BasicAuth()
		fmt.Fprint(answer, user == "me", password == value, request.Header.Get("Authorization"))
	})
	request := get(t, "https://api.test/repository.git/info/refs")
	request.SetBasicAuth("me", placeholder)
	_, text, _ := w.do(w.client(false), request)
	if !strings.HasPrefix(text, "true true") || strings.ContainsAny(text, "=/+") || !strings.Contains(text, "***") {
		t.Errorf("the server answers %q", text)
	}
}

func TestBodiesAreNotChangedOnTheirWay(t *testing.T) {
	w := newWorld(t, "api.test", func(answer http.ResponseWriter, request *http.Request) { _, _ = io.Copy(answer, request.Body) })
	for _, isHTTP2 := range []bool{false, true} {
		sent := strings.Repeat(placeholder+"s3cr3t/valu", 10_000)
		request, err := http.NewRequest("POST", "https://api.test/", strings.NewReader(sent))
		if err != nil {
			t.Fatal(err)
		}
		if _, text, _ := w.do(w.client(isHTTP2), request); text != sent {
			t.Errorf("%d bytes of %d came back", len(text), len(sent))
		}
	}
}

func TestRequestsForOthersAreRefused(t *testing.T) {
	w := newWorld(t, "api.test", func(answer http.ResponseWriter, _ *http.Request) { t.Error("the server is asked") })
	for _, isHTTP2 := range []bool{false, true} {
		for _, host := range []string{"evil.test", "api.test:8443", "api.test.evil.test", "", "api.test@evil.test"} {
			request := get(t, "https://api.test/")
			request.Host = host
			if host == "" {
				request.Host = "xapi.test"
			}
			request.Header.Set("Authorization", "Bearer "+placeholder)
			if answer, err := w.client(isHTTP2).Do(request); err == nil {
				if answer.Body.Close(); answer.StatusCode < 400 {
					t.Errorf("a request for %q is answered %d", host, answer.StatusCode)
				}
			}
		}
	}
	connection := tls.Client(w.connect(), &tls.Config{RootCAs: w.trust(), ServerName: "api.test"})
	fmt.Fprintf(connection, "GET http://evil.test/ HTTP/1.1\r\nHost: api.test\r\nX: %s\r\n\r\n", placeholder)
	text := make([]byte, 12)
	if _, err := io.ReadFull(connection, text); err != nil || string(text) != "HTTP/1.1 421" {
		t.Errorf("a request for another proxy is answered %q, %v", text, err)
	}
	for _, use := range w.uses() {
		if use.Reason == "" {
			t.Errorf("%+v", use)
		}
	}
}

func TestTheGuestsAuthorityIsForServersOfSecretsOnly(t *testing.T) {
	w := newWorld(t, "api.test", func(http.ResponseWriter, *http.Request) {})
	err := tls.Client(w.connect(), &tls.Config{RootCAs: w.trust(), ServerName: "evil.test"}).Handshake()
	if err == nil {
		t.Error("the proxy stands for another server")
	}
	authority := w.proxy.current.Load().authority
	foreign, err := authority.certificateOf("evil.test")
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(foreign.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: w.trust(), DNSName: "evil.test"}); err == nil {
		t.Error("a guest trusts the authority for every server")
	}
}

func TestAServerThatTheHostDoesNotTrustGetsNothing(t *testing.T) {
	for name, certificateHost := range map[string]string{"another name": "evil.test", "an unknown authority": "api.test"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, certificateHost, func(http.ResponseWriter, *http.Request) { t.Error("the server is asked") })
			if name == "an unknown authority" {
				w.proxy.roots = x509.NewCertPool()
			}
			request := get(t, "https://api.test/")
			request.Header.Set("Authorization", placeholder)
			status, text, _ := w.do(w.client(true), request)
			uses := w.uses()
			if status != 502 || !strings.Contains(text, "does not trust") || len(uses) != 2 || uses[1].Reason == "" {
				t.Errorf("%d %q %+v", status, text, uses)
			}
		})
	}
}

func TestARedirectHasThePlaceholderAgain(t *testing.T) {
	w := newWorld(t, "api.test", func(answer http.ResponseWriter, request *http.Request) {
		http.Redirect(answer, request, "https://elsewhere.test/?"+request.URL.RawQuery, http.StatusFound)
	})
	_, text, header := w.do(w.client(false), get(t, "https://api.test/?key="+placeholder))
	if location := header.Get("Location"); location != "https://elsewhere.test/?key="+placeholder || strings.Contains(text, "s3cr3t") {
		t.Errorf("%q %q", location, text)
	}
}

func TestWithoutItsValueARequestIsRefused(t *testing.T) {
	asked := 0
	w := newWorld(t, "api.test", func(http.ResponseWriter, *http.Request) { asked++ })
	client := w.client(false)
	send := func() int {
		request := get(t, "https://api.test/")
		request.Header.Set("X", placeholder)
		status, _, _ := w.do(client, request)
		return status
	}
	// Settings without the value keep it, and a new process has none.
	w.replace(Secret{"TOKEN", placeholder, "api.test", 443, ""})
	if status := send(); status != 200 {
		t.Errorf("a value that is known is refused: %d", status)
	}
	w.proxy.current.Store(&set{})
	w.replace(Secret{"TOKEN", placeholder, "api.test", 443, ""})
	if status := send(); status != 502 || asked != 1 {
		t.Errorf("%d, and the server was asked %d times", status, asked)
	}
	if states := w.proxy.States(); len(states) != 1 || states[0].IsKnown {
		t.Errorf("%+v", states)
	}
	w.isFull = true
	w.replace(Secret{"TOKEN", placeholder, "api.test", 443, value})
	if status := send(); status != 502 || asked != 1 {
		t.Errorf("what cannot be logged: %d, and the server was asked %d times", status, asked)
	}
	w.replace()
	if answer, err := client.Do(get(t, "https://api.test/")); err == nil {
		if answer.Body.Close(); answer.StatusCode != http.StatusMisdirectedRequest {
			t.Errorf("a secret that was taken away: %d", answer.StatusCode)
		}
	}
}

func TestAnAnswerIsNotHeldBack(t *testing.T) {
	goOn := make(chan struct{})
	w := newWorld(t, "api.test", func(answer http.ResponseWriter, request *http.Request) {
		fmt.Fprint(answer, "data: one\n\n")
		answer.(http.Flusher).Flush()
		<-goOn
	})
	defer close(goOn)
	request := get(t, "https://api.test/events")
	request.Header.Set("X", placeholder)
	answer, err := w.client(true).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text := make([]byte, len("data: one\n\n"))
	if _, err := io.ReadFull(answer.Body, text); err != nil || string(text) != "data: one\n\n" {
		t.Errorf("%q %v", text, err)
	}
}
