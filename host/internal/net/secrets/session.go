package secrets

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
	"time"
)

type sessionKey struct{}

// session is one connection of a guest.
type session struct {
	net.Conn
	proxy  *Proxy
	host   string
	port   uint16
	dial   Dial
	once   sync.Once
	closed chan struct{}
	// first is the connection that exists already, until it is used
	mutex     sync.Mutex
	first     net.Conn
	begin     sync.Once
	transport *http.Transport
	forwards  *httputil.ReverseProxy
}

func newSession(p *Proxy, guest net.Conn, host string, port uint16, first net.Conn, dial Dial) *session {
	return &session{Conn: guest, proxy: p, host: host, port: port, dial: dial, first: first, closed: make(chan struct{})}
}

// Close is called by the server of requests in the end.
func (s *session) Close() error {
	err := s.Conn.Close()
	s.once.Do(func() { close(s.closed) })
	return err
}

func (s *session) end() {
	s.begin.Do(func() {})
	if s.transport != nil {
		s.transport.CloseIdleConnections()
	}
}

// open returns a connection to the server whose certificate will be verified.
func (s *session) open(ctx context.Context) (net.Conn, error) {
	s.mutex.Lock()
	first := s.first
	s.first = nil
	s.mutex.Unlock()
	if first != nil {
		return first, nil
	}
	return s.dial(ctx)
}

// start makes what forwards requests. A guest that speaks HTTP/1.1 gets a server that does, so that it may
// upgrade to a WebSocket.
func (s *session) start(isHTTP2 bool) {
	s.begin.Do(func() {
		protocols := new(http.Protocols)
		protocols.SetHTTP1(true)
		protocols.SetHTTP2(isHTTP2)
		s.transport = &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return s.open(ctx) },
			TLSClientConfig: &tls.Config{
				RootCAs: s.proxy.roots, ServerName: s.host, MinVersion: tls.VersionTLS12,
			},
			Protocols: protocols,
			// What a slow guest has not fetched waits here.
			HTTP2: &http.HTTP2Config{MaxReceiveBufferPerConnection: 1 << 20, MaxReceiveBufferPerStream: 256 << 10},
			// A body that the guest cannot decode would have to be encoded again.
			DisableCompression:     true,
			MaxConnsPerHost:        maxServerSockets,
			TLSHandshakeTimeout:    handshakeTime,
			IdleConnTimeout:        idleTime,
			MaxResponseHeaderBytes: 4 * maxHeaderBytes,
			ExpectContinueTimeout:  5 * time.Second,
		}
		s.forwards = s.newForwards()
	})
}
