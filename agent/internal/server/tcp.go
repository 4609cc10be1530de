package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"syscall"

	"banger.dev/agent/internal/server/procnet"
)

// listPorts answers with what listens now or, with ?watch=tcp, with one line of JSON for each change, until
// the host has enough.
func (s *service) listPorts(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("watch") != "tcp" {
		s.answer(func(*http.Request) (any, error) {
			ports, err := s.ports.Listen()
			return map[string]any{"ports": ports}, err
		})(w, r)
		return
	}
	w.Header()["Content-Type"] = []string{"application/jsonl"}
	lines := json.NewEncoder(w)
	flush := http.NewResponseController(w).Flush
	err := procnet.Watch(r.Context(), func(change procnet.Change) error {
		if err := lines.Encode(change); err != nil {
			return err
		}
		return flush()
	})
	if r.Context().Err() == nil {
		s.Log.Printf("cannot watch the ports: %v", err)
		panic(http.ErrAbortHandler)
	}
}

// tcp connects the bodies of the request and the answer with a port of the guest, as join does.
func (s *service) tcp(w http.ResponseWriter, r *http.Request) {
	conn, err := dialPort(r.Context(), r.URL.Query().Get("port"))
	if err != nil {
		sendError(w, err)
		return
	}
	join(w, r, conn)
}

func parsePort(text string) (uint16, error) {
	number, err := strconv.ParseUint(text, 10, 16)
	if err != nil || number == 0 {
		return 0, badRequest("%q is not a port", text)
	}
	return uint16(number), nil
}

// dialPort tries the loopback addresses of both families, and then the addresses on which something listens.
func dialPort(ctx context.Context, text string) (*net.TCPConn, error) {
	port, err := parsePort(text)
	if err != nil {
		return nil, err
	}
	for _, host := range []string{"127.0.0.1", "::1"} {
		conn, err := dialHost(ctx, host, port)
		if conn != nil || err != nil {
			return conn, err
		}
	}
	addresses, err := procnet.Addresses(port)
	if err != nil {
		return nil, err
	}
	for _, address := range addresses {
		if address.IsUnspecified() {
			continue
		}
		conn, err := dialHost(ctx, address.String(), port)
		if conn != nil || err != nil {
			return conn, err
		}
	}
	return nil, &requestError{http.StatusNotFound, fmt.Sprintf("nothing listens on port %d", port)}
}

// dialHost connects to a port at one address. It returns nil without an error when nothing listens there.
func dialHost(ctx context.Context, host string, port uint16) (*net.TCPConn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(int(port))))
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EADDRNOTAVAIL) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}
