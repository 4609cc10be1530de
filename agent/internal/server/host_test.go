package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"banger.dev/agent/internal/server/execframe"
	"banger.dev/agent/internal/server/hello"
)

const testNonce = "00112233445566778899aabbccddeeff"

// serve runs the server on a socket of its own until the test ends, and returns the socket's path.
func serve(t *testing.T, o Options) string {
	t.Helper()
	// Not in t.TempDir, whose path holds the test's name and may be too long for a socket.
	dir, err := os.MkdirTemp("", "agent")
	if err != nil {
		t.Fatal(err)
	}
	path := dir + "/s"
	if o.OpenStream, err = ListenUnix(path); err != nil {
		t.Fatal(err)
	}
	o.Init, o.Version = "agent", "test"
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, o) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(10 * time.Second):
			t.Error("Run does not return")
		}
		os.RemoveAll(dir)
	})
	return path
}

// host is a client of the agent with one connection.
type host struct {
	*http.Client
	conn net.Conn
}

// meet connects, sends leftovers, and then says hello.
func meet(t *testing.T, path, leftovers string) *host {
	t.Helper()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return greet(t, conn, leftovers)
}

func greet(t *testing.T, conn net.Conn, leftovers string) *host {
	t.Helper()
	if _, err := conn.Write(append([]byte(leftovers), hello.Line(testNonce)...)); err != nil {
		t.Fatal(err)
	}
	conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	r := bufio.NewReader(conn)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("no echo: %v", err)
		}
		if strings.HasSuffix(line, string(hello.Line(testNonce))) {
			break
		}
	}
	conn.SetReadDeadline(time.Time{})
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{
		Protocols: protocols,
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			return conn, nil
		},
	}
	return &host{&http.Client{Transport: transport}, conn}
}

func (h *host) ask(t *testing.T, method, path string, body io.Reader) (int, []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://guest"+path, body)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := h.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, content
}

// run is an exec in progress.
type run struct {
	t      *testing.T
	send   *io.PipeWriter
	frames *execframe.Reader
	cancel context.CancelFunc
	answer *http.Response
}

// exec starts a command as the user who runs the tests.
func (h *host) exec(t *testing.T, start map[string]any) *run {
	t.Helper()
	return h.execAt(t, "/exec", start)
}

// execAt is exec with a query.
func (h *host) execAt(t *testing.T, path string, start map[string]any) *run {
	t.Helper()
	if start["user"] == nil {
		start["user"] = fmt.Sprint(os.Getuid())
	}
	reader, writer := io.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	request, err := http.NewRequestWithContext(ctx, "POST", "http://guest"+path, reader)
	if err != nil {
		t.Fatal(err)
	}
	r := &run{t: t, send: writer, cancel: cancel}
	t.Cleanup(cancel)
	go r.frame(execframe.Start, start)
	if r.answer, err = h.Do(request); err != nil {
		t.Fatal(err)
	}
	r.frames = execframe.NewReader(r.answer.Body)
	return r
}

func (r *run) frame(kind byte, value any) {
	payload, isBytes := value.([]byte)
	if !isBytes && value != nil {
		var err error
		if payload, err = json.Marshal(value); err != nil {
			r.t.Error(err)
		}
	}
	_, _ = r.send.Write(execframe.Append(nil, kind, payload))
}

// reset cancels the request. Go's client notices a cancelled context only when it is not reading the
// request's body.
func (r *run) reset() {
	r.cancel()
	r.send.CloseWithError(context.Canceled)
}

func (r *run) next() (kind byte, payload []byte) {
	r.t.Helper()
	kind, _, err := r.frames.Next()
	if err == nil {
		payload, err = r.frames.Payload()
	}
	if err != nil {
		r.t.Fatalf("no frame: %v", err)
	}
	return kind, payload
}

// started reads the first frame and returns the command's number.
func (r *run) started() int {
	r.t.Helper()
	kind, payload := r.next()
	var value struct{ PID int }
	if kind != execframe.Started || json.Unmarshal(payload, &value) != nil || value.PID < 2 {
		r.t.Fatalf("got frame %d %q instead of started", kind, payload)
	}
	return value.PID
}

// result is all the output of a command, and its last frame.
type result struct {
	stdout, stderr string
	acked          int
	last           byte
	end            string
}

// rest reads up to the last frame, which nothing may follow.
func (r *run) rest() result {
	r.t.Helper()
	var got result
	var stdout, stderr bytes.Buffer
	for got.last == 0 {
		kind, payload := r.next()
		switch kind {
		case execframe.Stdout:
			stdout.Write(payload)
		case execframe.Stderr:
			stderr.Write(payload)
		case execframe.StdinAck:
			got.acked += int(payload[0])<<24 | int(payload[1])<<16 | int(payload[2])<<8 | int(payload[3])
		case execframe.Exit, execframe.Error:
			got.last, got.end = kind, string(payload)
		default:
			r.t.Fatalf("unexpected frame %d %q", kind, payload)
		}
	}
	if _, _, err := r.frames.Next(); !errors.Is(err, io.EOF) {
		r.t.Errorf("after the last frame: %v", err)
	}
	got.stdout, got.stderr = stdout.String(), stderr.String()
	return got
}

func shell(script string) map[string]any {
	return map[string]any{"argv": []any{"sh", "-c", script}}
}

// isAlive reports whether a process exists and is not a zombie.
func isAlive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !bytes.Contains(stat, []byte(") Z ")) && !bytes.Contains(stat, []byte(") X "))
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}
