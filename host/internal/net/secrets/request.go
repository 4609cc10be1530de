package secrets

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"slices"
	"strconv"
	"strings"
	"sync"

	"banger.dev/host/internal/net/policy/rule"
)

const copyBytes = 32 << 10

type buffers struct{ sync.Pool }

func (b *buffers) Get() []byte     { return *b.Pool.Get().(*[]byte) }
func (b *buffers) Put(text []byte) { b.Pool.Put(&text) }

var pool = &buffers{sync.Pool{New: func() any { text := make([]byte, copyBytes); return &text }}}

type swapKey struct{}

// serve answers one request of the guest.
func (p *Proxy) serve(answer http.ResponseWriter, request *http.Request) {
	from, isOne := request.Context().Value(sessionKey{}).(*session)
	if !isOne || request.TLS == nil || request.TLS.ServerName != from.host && rule.Canonical(request.TLS.ServerName) != from.host {
		refuse(answer, http.StatusMisdirectedRequest, "the connection is for another server")
		return
	}
	if request.Method == http.MethodConnect || !from.isFor(request.Host) || request.URL.Host != "" && !from.isFor(request.URL.Host) {
		p.refused(answer, from, "", "a request on a connection to this server is for another one", http.StatusMisdirectedRequest)
		return
	}
	secrets := p.current.Load().of(from.host, from.port)
	if len(secrets) == 0 {
		refuse(answer, http.StatusMisdirectedRequest, "the server has no secrets any more")
		return
	}
	if why := unclear(request); why != "" {
		refuse(answer, http.StatusBadRequest, why)
		return
	}
	select {
	case p.requests <- struct{}{}:
		defer func() { <-p.requests }()
	default:
		refuse(answer, http.StatusServiceUnavailable, "too many requests to servers of secrets are under way")
		return
	}
	made := newSwap(secrets)
	// What the guest asks for stays as it is; the copy has the values.
	header := request.Header.Clone()
	made.header(header)
	query := made.query(request.URL.RawQuery)
	if made.missing != "" {
		reason := "the value of the secret is not known any more: give it again with banger vm set --secret"
		p.refused(answer, from, made.missing, reason, http.StatusBadGateway)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(made.used)) {
		if p.log != nil && !p.log.Secret(Use{Name: name, Host: from.host, Port: from.port}) {
			refuse(answer, http.StatusBadGateway, "the use of a secret could not be logged")
			return
		}
	}
	from.start(request.ProtoMajor >= 2)
	without := made.redaction()
	if len(without.sent) > 0 {
		// An answer that is encoded cannot be searched.
		header.Set("Accept-Encoding", "identity")
		header.Del("Sec-Websocket-Extensions")
	}
	ctx := context.WithValue(request.Context(), swapKey{}, &changes{without, header, query})
	from.forwards.ServeHTTP(answer, request.WithContext(ctx))
}

// unclear returns why a server could take a request for another one than this program does, or nothing.
func unclear(request *http.Request) string {
	switch {
	case request.URL.Opaque != "":
		return "the target of the request is neither a path nor a URL"
	case strings.ContainsFunc(request.URL.RawQuery, func(char rune) bool { return char <= ' ' || char == 0x7f }):
		return "the query of the request has a space or a control character"
	case len(request.Header["Authorization"]) > 1:
		return "the request has more than one Authorization"
	}
	return ""
}

// changes are what differs between the guest's request and the one that is sent.
type changes struct {
	redaction redaction
	header    http.Header
	query     string
}

func (s *session) newForwards() *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Rewrite:        s.rewrite,
		Transport:      bare{s.transport},
		ModifyResponse: modify,
		ErrorHandler:   s.failed,
		FlushInterval:  -1,
		BufferPool:     pool,
		ErrorLog:       stdlog.New(io.Discard, "", 0),
	}
}

func (s *session) rewrite(request *httputil.ProxyRequest) {
	with := request.In.Context().Value(swapKey{}).(*changes)
	request.Out.URL.Scheme = "https"
	request.Out.URL.Host = net.JoinHostPort(s.host, strconv.Itoa(int(s.port)))
	request.Out.URL.RawQuery = with.query
	request.Out.Host = s.name(request.In.Host)
	for name := range request.Out.Header {
		if slices.Contains(ofConnection, name) {
			continue
		}
		if values, isKnown := with.header[name]; isKnown {
			request.Out.Header[name] = values
		} else {
			request.Out.Header.Del(name)
		}
	}
	// The proxy is none that servers should know of: it leaves such fields of the guest alone.
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Accept-Encoding"} {
		if values, isKnown := with.header[name]; isKnown {
			request.Out.Header[name] = values
		}
	}
	if _, isGiven := with.header["User-Agent"]; !isGiven {
		request.Out.Header.Set("User-Agent", "")
	}
}

// ofConnection are fields that the proxy has set for its own connection to the server.
var ofConnection = []string{"Connection", "Te", "Upgrade"}

// modify takes out of an answer what the request was given.
func modify(response *http.Response) error {
	with := response.Request.Context().Value(swapKey{}).(*changes)
	with.redaction.header(response.Header)
	if len(with.redaction.sent) == 0 {
		return nil
	}
	if connection, isUpgraded := response.Body.(io.ReadWriteCloser); isUpgraded && response.StatusCode == http.StatusSwitchingProtocols {
		response.Body = with.redaction.upgraded(connection)
		return nil
	}
	response.Body = with.redaction.body(response.Body, func() { with.redaction.header(response.Trailer) })
	return nil
}

// bare is a transport that tells nobody of answers before the last one: they would not be searched.
type bare struct{ transport http.RoundTripper }

func (b bare) RoundTrip(request *http.Request) (*http.Response, error) {
	given := request.Context()
	response, err := b.transport.RoundTrip(request.WithContext(untold{given}))
	if response != nil {
		response.Request = request
	}
	return response, err
}

type untold struct{ context.Context }

func (untold) Value(any) any { return nil }

// isFor reports whether the host of a request is the server of the session.
func (s *session) isFor(given string) bool {
	host, port := given, ""
	if name, number, err := net.SplitHostPort(given); err == nil {
		host, port = name, number
	}
	return rule.Canonical(host) == s.host && (port == "" && s.port == 443 || port == strconv.Itoa(int(s.port)))
}

// name returns the host of a request, which isFor allows, as the server is told it. Nothing in it is of the
// guest.
func (s *session) name(given string) string {
	if _, _, err := net.SplitHostPort(given); err == nil {
		return net.JoinHostPort(s.host, strconv.Itoa(int(s.port)))
	}
	return s.host
}

// failed answers a request that could not be sent.
func (s *session) failed(answer http.ResponseWriter, request *http.Request, err error) {
	var unverified *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &unverified), errors.As(err, &unknown):
		reason := "the host does not trust the server's certificate"
		s.proxy.refused(answer, s, "", reason, http.StatusBadGateway)
	case request.Context().Err() != nil:
		panic(http.ErrAbortHandler)
	default:
		refuse(answer, http.StatusBadGateway, "the server does not answer")
	}
}

// refused logs a refusal and answers with it.
func (p *Proxy) refused(answer http.ResponseWriter, from *session, name, reason string, status int) {
	if p.log != nil {
		p.log.Secret(Use{Name: name, Host: from.host, Port: from.port, Reason: reason})
	}
	refuse(answer, status, reason)
}

func refuse(answer http.ResponseWriter, status int, reason string) {
	answer.Header().Set("Content-Type", "text/plain; charset=utf-8")
	answer.WriteHeader(status)
	fmt.Fprintf(answer, "banger: %s\n", reason)
}
