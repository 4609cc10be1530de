// Package registry pulls images from registries and pushes them. Whatever a registry answers is bounded and
// checked: sizes, digests, redirects, and how long it says nothing.
package registry

import (
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"banger.dev/host/internal/oci/fault"
)

// guard sends requests. It keeps the rule of who may be reached without TLS, or with a certificate that
// nobody vouches for: this host, and hosts that the user has named.
type guard struct {
	insecure    []string
	strict, lax *http.Transport
}

const connectDeadline = 30 * time.Second

func newGuard(insecure []string, stall time.Duration) *guard {
	make := func(config *tls.Config) *http.Transport {
		return &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: connectDeadline, KeepAlive: connectDeadline}).DialContext,
			TLSHandshakeTimeout:   connectDeadline,
			ResponseHeaderTimeout: stall,
			IdleConnTimeout:       connectDeadline,
			TLSClientConfig:       config,
			ForceAttemptHTTP2:     true,
			// A blob is what its digest says: nothing on the way may decompress it.
			DisableCompression: true,
		}
	}
	return &guard{insecure, make(&tls.Config{}), make(&tls.Config{InsecureSkipVerify: true})}
}

func (g *guard) RoundTrip(request *http.Request) (*http.Response, error) {
	host := request.URL.Host
	if g.isInsecure(host) {
		return g.lax.RoundTrip(request)
	}
	if request.URL.Scheme != "https" {
		return nil, fault.Final(fault.Unreachable, "Cannot connect to %q: without TLS, only this host and registries named for that are used", host).
			WithHint("name it as insecure if you trust the network")
	}
	return g.strict.RoundTrip(request)
}

// isInsecure reports whether a host, with or without a port, needs no TLS.
func (g *guard) isInsecure(host string) bool {
	name := host
	if without, _, err := net.SplitHostPort(host); err == nil {
		name = without
	}
	if slices.Contains(g.insecure, host) || slices.Contains(g.insecure, name) {
		return true
	}
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	ip := net.ParseIP(strings.Trim(name, "[]"))
	return ip != nil && ip.IsLoopback()
}

func (g *guard) close() {
	g.strict.CloseIdleConnections()
	g.lax.CloseIdleConnections()
}

const maxRedirects = 10

// checkRedirect bounds redirects, and refuses those that leave TLS. Package http and the transport of package
// remote send credentials to the registry's own host only.
func checkRedirect(request *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects {
		return fault.Final(fault.BadAnswer, "Cannot read from %q: it redirects more than %d times", via[0].URL.Host, maxRedirects)
	}
	if via[len(via)-1].URL.Scheme == "https" && request.URL.Scheme != "https" {
		return fault.Final(fault.BadAnswer, "Cannot read from %q: it redirects to %q without TLS", via[0].URL.Host, request.URL.Host)
	}
	return nil
}
