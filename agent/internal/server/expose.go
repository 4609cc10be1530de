package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	// exposedGrace is how long a connection to an exposed port of the host waits for the host.
	exposedGrace = 15 * time.Second
	// maxExposed is how many may wait at once.
	maxExposed = 64
)

// exposed are connections of programs in the guest to exposed ports of the host, until the host takes them.
type exposed struct {
	mu    sync.Mutex
	last  uint64
	conns map[uint64]*net.TCPConn
}

// hold keeps a connection for the host, for a while. It closes the connection when too many wait.
func (e *exposed) hold(conn *net.TCPConn) (id uint64, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.conns) >= maxExposed {
		conn.Close()
		return 0, false
	}
	if e.conns == nil {
		e.conns = make(map[uint64]*net.TCPConn)
	}
	e.last++
	id = e.last
	e.conns[id] = conn
	time.AfterFunc(exposedGrace, func() {
		if conn := e.take(id); conn != nil {
			conn.Close()
		}
	})
	return id, true
}

// take returns the connection that waits under this number, or nil.
func (e *exposed) take(id uint64) *net.TCPConn {
	e.mu.Lock()
	defer e.mu.Unlock()
	conn := e.conns[id]
	delete(e.conns, id)
	return conn
}

// expose listens on a port of the guest's 127.0.0.1 until the host resets the request, and answers with one
// line of JSON for each connection.
func (s *service) expose(w http.ResponseWriter, r *http.Request) {
	port, err := parsePort(r.URL.Query().Get("port"))
	if err != nil {
		sendError(w, err)
		return
	}
	listener, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(port)})
	if errors.Is(err, syscall.EADDRINUSE) {
		err = &requestError{http.StatusConflict, fmt.Sprintf("another program listens on port %d", port)}
	}
	if err != nil {
		sendError(w, err)
		return
	}
	defer listener.Close()
	go func() {
		<-r.Context().Done()
		listener.Close()
	}()
	w.Header()["Content-Type"] = []string{"application/jsonl"}
	w.WriteHeader(http.StatusOK)
	flush := http.NewResponseController(w).Flush
	lines := json.NewEncoder(w)
	for flush() == nil {
		conn, err := listener.AcceptTCP()
		if err != nil {
			return
		}
		id, ok := s.exposed.hold(conn)
		if ok && lines.Encode(map[string]uint64{"id": id}) != nil {
			return
		}
	}
}

// takeExposed connects the bodies of the request and the answer with a connection to an exposed port.
func (s *service) takeExposed(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseUint(r.URL.Query().Get("id"), 10, 64)
	if err != nil {
		sendError(w, badRequest("%q is not a number", r.URL.Query().Get("id")))
		return
	}
	conn := s.exposed.take(id)
	if conn == nil {
		sendError(w, &requestError{http.StatusNotFound, fmt.Sprintf("no connection %d waits", id)})
		return
	}
	join(w, r, conn)
}
