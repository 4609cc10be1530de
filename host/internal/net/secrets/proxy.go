package secrets

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxSessions bounds the connections that are ended here at once: each has buffers for TLS on both sides.
	maxSessions = 128
	// maxRequests bounds the requests that are under way at once, on all connections.
	maxRequests      = 512
	handshakeTime    = 20 * time.Second
	headerTime       = 30 * time.Second
	idleTime         = 5 * time.Minute
	maxHeaderBytes   = 64 << 10
	maxStreams       = 100
	maxServerSockets = 16
)

// Log is where the use of secrets is recorded.
type Log interface {
	// Secret records that a request to a server gets the value of a secret, or why it does not. It reports
	// whether that may be.
	Secret(use Use) bool
}

// Use is one use of a secret, or a refusal when it has a reason.
type Use struct {
	Name, Host string
	Port       uint16
	Reason     string
}

// Dial opens a connection to the server of a session.
type Dial func(context.Context) (net.Conn, error)

// Proxy stands for the servers of secrets.
type Proxy struct {
	roots    *x509.CertPool
	log      Log
	current  atomic.Pointer[set]
	sessions chan struct{}
	requests chan struct{}
	server   *http.Server
	accepted chan net.Conn
	started  sync.Once
	once     sync.Once
	done     chan struct{}
}

// New returns a proxy without secrets. It trusts servers as roots says; log may be nil.
func New(roots *x509.CertPool, log Log) *Proxy {
	made := &Proxy{
		roots: roots, log: log, sessions: make(chan struct{}, maxSessions), requests: make(chan struct{}, maxRequests),
		accepted: make(chan net.Conn), done: make(chan struct{}),
	}
	made.current.Store(&set{})
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	made.server = &http.Server{
		Handler:           http.HandlerFunc(made.serve),
		Protocols:         protocols,
		TLSConfig:         &tls.Config{NextProtos: []string{"h2", "http/1.1"}},
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreams, MaxReceiveBufferPerConnection: 1 << 20, MaxReceiveBufferPerStream: 256 << 10},
		ReadHeaderTimeout: headerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeaderBytes,
		// What clients and servers do wrong is theirs, and could contain what they sent.
		ErrorLog: stdlog.New(io.Discard, "", 0),
		ConnContext: func(ctx context.Context, connection net.Conn) context.Context {
			if secured, isTLS := connection.(*tls.Conn); isTLS {
				return context.WithValue(ctx, sessionKey{}, secured.NetConn())
			}
			return ctx
		},
	}
	return made
}

// Replace puts other secrets in force, for the next request on.
func (p *Proxy) Replace(config Config) error {
	next, err := newSet(config, p.current.Load())
	if err != nil {
		return err
	}
	p.current.Store(next)
	return nil
}

// States returns the secrets without their values.
func (p *Proxy) States() []State { return p.current.Load().states() }

// Authority returns what the guest must trust; nil without secrets.
func (p *Proxy) Authority() (*Authority, error) {
	current := p.current.Load()
	if current.authority == nil {
		return nil, nil
	}
	return current.authority.public()
}

// HasPort reports whether some server has secrets at this port.
func (p *Proxy) HasPort(port uint16) bool { return p.current.Load().hasPort(port) }

// Has reports whether a server has secrets.
func (p *Proxy) Has(host string, port uint16) bool { return len(p.current.Load().of(host, port)) > 0 }

// Close ends all sessions.
func (p *Proxy) Close() {
	p.once.Do(func() { close(p.done) })
	_ = p.server.Close()
}

// errBusy is why a session does not begin.
var errBusy = errors.New("too many connections to servers of secrets are open")

// Serve carries a connection of the guest, which asks in TLS for a server that has secrets, until it has
// ended. first is a connection to that server, and dial opens more. It closes the connections.
func (p *Proxy) Serve(guest net.Conn, host string, port uint16, first net.Conn, dial Dial) error {
	defer first.Close()
	select {
	case p.sessions <- struct{}{}:
		defer func() { <-p.sessions }()
	default:
		guest.Close()
		return errBusy
	}
	p.startServer()
	made := newSession(p, guest, host, port, first, dial)
	defer made.end()
	secured := tls.Server(made, &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			authority := p.current.Load().authority
			if authority == nil || !p.Has(host, port) {
				return nil, errors.New("the server has no secrets any more")
			}
			return authority.certificateOf(host)
		},
	})
	if err := secured.SetDeadline(time.Now().Add(handshakeTime)); err != nil {
		return err
	}
	if err := secured.Handshake(); err != nil {
		made.Close()
		return err
	}
	if err := secured.SetDeadline(time.Time{}); err != nil {
		return err
	}
	select {
	case p.accepted <- secured:
	case <-p.done:
		made.Close()
		return net.ErrClosed
	}
	<-made.closed
	return nil
}

// startServer starts the server of requests with the first session: most guests have none.
func (p *Proxy) startServer() {
	p.started.Do(func() { go func() { _ = p.server.Serve(&feed{p}) }() })
}

// feed is the listener of the server of requests.
type feed struct{ proxy *Proxy }

func (f *feed) Accept() (net.Conn, error) {
	select {
	case connection := <-f.proxy.accepted:
		return connection, nil
	case <-f.proxy.done:
		return nil, net.ErrClosed
	}
}

func (f *feed) Close() error   { return nil }
func (f *feed) Addr() net.Addr { return &net.TCPAddr{} }
