package server

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"banger.dev/agent/internal/server/execframe"
	"banger.dev/agent/internal/server/process"
)

// The JSON of exec frames.
type (
	startFrame struct {
		Argv []byteString          `json:"argv"`
		Env  map[string]byteString `json:"env"`
		Cwd  byteString            `json:"cwd"`
		User string                `json:"user"`
		Pty  *struct {
			terminalSize
			Term string `json:"term"`
		} `json:"pty"`
	}
	terminalSize struct {
		Rows uint16 `json:"rows"`
		Cols uint16 `json:"cols"`
	}
	signalName struct {
		Signal string `json:"signal"`
	}
	started struct {
		PID int `json:"pid"`
	}
	exitCode struct {
		Code int `json:"code"`
		// TimedOut: the command was ended because its time limit had passed.
		TimedOut bool `json:"timedOut,omitempty"`
	}
	exitSignal struct {
		Signal string `json:"signal"`
		Number int    `json:"number"`
	}
)

// byteString is a JSON string, or {"b64": "..."} for bytes that are not UTF-8.
type byteString string

func (b *byteString) UnmarshalJSON(content []byte) error {
	if len(content) > 0 && content[0] == '{' {
		var encoded struct {
			B64 *string `json:"b64"`
		}
		if err := json.Unmarshal(content, &encoded); err != nil {
			return err
		}
		if encoded.B64 == nil {
			return errors.New(`want a string or {"b64": "..."}`)
		}
		decoded, err := base64.StdEncoding.DecodeString(*encoded.B64)
		*b = byteString(decoded)
		return err
	}
	return json.Unmarshal(content, (*string)(b))
}

func readStart(frames *execframe.Reader) (process.Spec, error) {
	kind, _, err := frames.Next()
	if err != nil {
		return process.Spec{}, fmt.Errorf("no start frame: %w", err)
	}
	if kind != execframe.Start {
		return process.Spec{}, fmt.Errorf("the first frame has type %d, not start", kind)
	}
	var start startFrame
	if err := decodePayload(frames, &start); err != nil {
		return process.Spec{}, err
	}
	return start.spec(), nil
}

func (start startFrame) spec() process.Spec {
	spec := process.Spec{
		Argv: make([]string, len(start.Argv)),
		Env:  make(map[string]string, len(start.Env)),
		Cwd:  string(start.Cwd),
		User: start.User,
	}
	for i, arg := range start.Argv {
		spec.Argv[i] = string(arg)
	}
	for name, value := range start.Env {
		spec.Env[name] = string(value)
	}
	if start.Pty != nil {
		spec.Terminal = &process.Terminal{Rows: start.Pty.Rows, Cols: start.Pty.Cols, Term: start.Pty.Term}
	}
	return spec
}

func decodePayload(frames *execframe.Reader, into any) error {
	payload, err := frames.Payload()
	if err != nil {
		return err
	}
	if err := json.Unmarshal(payload, into); err != nil {
		return fmt.Errorf("frame holds bad JSON: %w", err)
	}
	return nil
}

// flushLater is how long a frame that is not urgent waits, so that it can be sent together with the next one:
// each flush is a write to the port, which under emulation costs as much as starting a thread.
const flushLater = 50 * time.Millisecond

// frameWriter writes whole frames to the host. Several goroutines may use it; the request's handler closes it
// before it returns.
type frameWriter struct {
	mu     sync.Mutex
	w      http.ResponseWriter
	flush  func() error
	later  *time.Timer
	closed bool
}

func newFrameWriter(w http.ResponseWriter) *frameWriter {
	return &frameWriter{w: w, flush: http.NewResponseController(w).Flush}
}

// write sends one frame and returns when the host's window had room for it.
func (f *frameWriter) write(frame []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.put(frame); err != nil {
		return err
	}
	return f.flush()
}

// put is called with mu held. It writes nothing once the writer is closed: no code may use an answer whose
// handler has returned.
func (f *frameWriter) put(frame []byte) error {
	if f.closed {
		return net.ErrClosed
	}
	_, err := f.w.Write(frame)
	return err
}

// first sends a frame before all others: together with the next one, or alone after flushLater.
func (f *frameWriter) first(kind byte, value any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.put(jsonFrame(kind, value)) == nil {
		f.later = time.AfterFunc(flushLater, func() { _ = f.write(nil) })
	}
}

// last sends a frame after all others, with the end of the answer. It ignores the loss of the host, which is
// detected elsewhere.
func (f *frameWriter) last(kind byte, value any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_ = f.put(jsonFrame(kind, value))
}

func (f *frameWriter) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	if f.later != nil {
		f.later.Stop()
	}
}

func jsonFrame(kind byte, value any) []byte {
	payload, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return execframe.Append(nil, kind, payload)
}

func (f *frameWriter) fail(code string, err error) {
	f.last(execframe.Error, failure{Code: code, Message: oneLine(err.Error())})
}
