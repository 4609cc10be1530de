// Package control is how the daemon asks a guest's network about itself and changes it: one JSON request a
// line, one JSON answer a line, over a Unix socket that only the user can open.
package control

import (
	"bufio"
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

const (
	maxRequest  = 1 << 20
	idleFor     = 30 * time.Second
	maxSessions = 16
)

// Request is what the daemon may ask for.
type Request struct {
	// "state", "settings", "secrets", "check", "learned", "end", or "watch": as "state", and the connection then
	// stays open until either ends
	Do string `json:"do"`
	// for "settings": all of them
	Settings *Settings `json:"settings,omitempty"`
	// for "secrets": all of them (package secrets)
	Secrets json.RawMessage `json:"secrets,omitempty"`
	// for "check"
	Check *Check `json:"check,omitempty"`
}

// Check asks what would happen to a connection.
type Check struct {
	// Target is a rule for one port of one name or address.
	Target string `json:"target"`
	// Addresses are those that the name has now.
	Addresses []netip.Addr `json:"addresses,omitempty"`
}

// Settings are what a guest's network may be told while it runs.
type Settings struct {
	// ports of this host's loopback that the guest reaches at the gateway's address
	ExposedPorts []uint16 `json:"exposedPorts"`
	// the policy (package policy); the one in force stays when there is none
	Policy json.RawMessage `json:"policy,omitempty"`
}

// Handler carries requests out.
type Handler interface {
	// State returns what answers a request for the state.
	State() any
	// Apply replaces the settings.
	Apply(Settings) error
	// Secrets replaces the secrets.
	Secrets(json.RawMessage) error
	// Check answers a request for a check.
	Check(Check) (any, error)
	// Learned returns what answers a request for what was learned.
	Learned() (any, error)
	// End ends the program.
	End()
}

type failure struct {
	Error string `json:"error"`
}

// Serve answers requests of this user until the listener is closed.
func Serve(listener *net.UnixListener, handler Handler) error {
	sessions := make(chan struct{}, maxSessions)
	for {
		connection, err := listener.AcceptUnix()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return nil
			}
			return err
		}
		if !IsOwn(connection) {
			connection.Close()
			continue
		}
		sessions <- struct{}{}
		go func() {
			defer func() { <-sessions }()
			defer connection.Close()
			serve(connection, handler)
		}()
	}
}

// IsOwn reports whether this program's user, or root, is at the other end.
func IsOwn(connection *net.UnixConn) bool {
	raw, err := connection.SyscallConn()
	if err != nil {
		return false
	}
	isOwn := false
	err = raw.Control(func(descriptor uintptr) {
		peer, err := unix.GetsockoptUcred(int(descriptor), unix.SOL_SOCKET, unix.SO_PEERCRED)
		isOwn = err == nil && (peer.Uid == 0 || int(peer.Uid) == unix.Getuid())
	})
	return err == nil && isOwn
}

func serve(connection *net.UnixConn, handler Handler) {
	lines := bufio.NewScanner(connection)
	lines.Buffer(make([]byte, 0, 4<<10), maxRequest)
	answers := json.NewEncoder(connection)
	limit := idleFor
	for connection.SetDeadline(deadline(limit)) == nil && lines.Scan() {
		var request Request
		var answer any
		if err := json.Unmarshal(lines.Bytes(), &request); err != nil {
			answer = failure{"the request is not valid JSON"}
		} else {
			answer = handle(request, handler)
		}
		if answers.Encode(answer) != nil {
			return
		}
		switch request.Do {
		case "end":
			handler.End()
			return
		case "watch":
			limit = 0
		}
	}
}

func deadline(limit time.Duration) time.Time {
	if limit == 0 {
		return time.Time{}
	}
	return time.Now().Add(limit)
}

func handle(request Request, handler Handler) any {
	switch request.Do {
	case "state", "watch":
		return handler.State()
	case "settings":
		if request.Settings == nil {
			return failure{"settings are missing"}
		}
		if err := handler.Apply(*request.Settings); err != nil {
			return failure{err.Error()}
		}
		return handler.State()
	case "secrets":
		if err := handler.Secrets(request.Secrets); err != nil {
			return failure{err.Error()}
		}
		return handler.State()
	case "check":
		if request.Check == nil {
			return failure{"the check is missing"}
		}
		return answered(handler.Check(*request.Check))
	case "learned":
		return answered(handler.Learned())
	case "end":
		return struct{}{}
	}
	return failure{"unknown request"}
}

func answered(answer any, err error) any {
	if err != nil {
		return failure{err.Error()}
	}
	return answer
}
