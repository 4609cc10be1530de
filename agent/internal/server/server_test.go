package server

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"banger.dev/agent/internal/server/execframe"
	"banger.dev/agent/internal/server/hello"
	"banger.dev/agent/internal/server/identity"
)

func TestHealthDescribesTheAgent(t *testing.T) {
	ready := make(chan struct{})
	h := meet(t, serve(t, Options{Ready: ready}), "")
	var got health
	status, body := h.ask(t, "GET", "/health", nil)
	if err := json.Unmarshal(body, &got); err != nil || status != 200 {
		t.Fatalf("got %d %s, error %v", status, body, err)
	}
	if got.Generation != hello.Generation || got.Version != "test" || got.Init != "agent" || got.Ready || len(got.BootID) != 36 || got.UptimeMs <= 0 {
		t.Errorf("got %+v", got)
	}
	answered := make(chan []byte, 1)
	go func() {
		_, body := h.ask(t, "GET", "/ready", nil)
		answered <- body
	}()
	select {
	case body := <-answered:
		t.Fatalf("answered %s before the guest was ready", body)
	case <-time.After(100 * time.Millisecond):
	}
	close(ready)
	if body := <-answered; !strings.Contains(string(body), `"ready":true`) {
		t.Errorf("got %s", body)
	}
}

func TestUnknownRequestsAndPathsAreRefused(t *testing.T) {
	h := meet(t, serve(t, Options{}), "")
	for _, test := range []struct {
		method, path, code string
		status             int
	}{
		{"GET", "/", "not_found", 404},
		{"POST", "/health", "not_found", 404},
		{"GET", "/tar?path=/no/such/file", "not_found", 404},
		{"GET", "/tar?path=/etc&as=..", "bad_request", 400},
		{"GET", "/tar?path=/etc&as=a%2Fb", "bad_request", 400},
		{"GET", "/stat?path=/no/such/file", "not_found", 404},
		{"GET", "/stat?path=/dev/null/below", "not_found", 404},
		{"GET", "/stat?path=relative", "bad_request", 400},
		{"GET", "/tar?path=relative", "bad_request", 400},
		{"GET", "/tar?path=/dev/null", "conflict", 409},
		{"PUT", "/tar?path=/tmp&owner=me", "bad_request", 400},
		{"PUT", "/tar", "bad_request", 400},
		{"POST", "/tcp?port=0", "bad_request", 400},
		{"POST", "/tcp?port=http", "bad_request", 400},
		{"POST", "/personalise", "bad_request", 400},
		{"POST", "/poweroff", "failed", 500},
	} {
		status, body := h.ask(t, test.method, test.path, nil)
		var got failure
		if err := json.Unmarshal(body, &got); err != nil || status != test.status || got.Code != test.code || got.Message == "" {
			t.Errorf("%s %s: got %d %s", test.method, test.path, status, body)
		}
	}
}

func TestPersonaliseReportsTheClockAndTheStepThatFails(t *testing.T) {
	root := t.TempDir()
	h := meet(t, serve(t, Options{Identity: identity.Pretend(root)}), "")
	status, body := h.ask(t, "POST", "/personalise", strings.NewReader(`{"wallClockMs":1700000000000,"hostname":"web"}`))
	var got personalised
	if err := json.Unmarshal(body, &got); err != nil || status != 200 || time.Since(time.UnixMilli(got.WallClockMs)).Abs() > 5*time.Second {
		t.Fatalf("got %d %s, error %v", status, body, err)
	}
	if err := os.Mkdir(root+"/kernel/entropy", 0o700); err != nil {
		t.Fatal(err)
	}
	status, body = h.ask(t, "POST", "/personalise", strings.NewReader(`{"entropyBase64":"c2VlZA=="}`))
	var failed failure
	if err := json.Unmarshal(body, &failed); err != nil || status != 500 || failed.Code != "failed" || failed.Step != "entropy" {
		t.Fatalf("got %d %s, error %v", status, body, err)
	}
	if name, err := os.ReadFile(root + "/etc/hostname"); err != nil || string(name) != "web\n" {
		t.Errorf("got %q, %v", name, err)
	}
}

func TestAnAgentOutsideAVMChangesNothing(t *testing.T) {
	h := meet(t, serve(t, Options{}), "")
	status, body := h.ask(t, "POST", "/personalise", strings.NewReader(`{"hostname":"web"}`))
	if status != 500 || !strings.Contains(string(body), "cannot personalise its machine") {
		t.Fatalf("got %d %s", status, body)
	}
}

func TestOneLineHasNoControlCharacters(t *testing.T) {
	if got := oneLine("a\nb\x1b[31m\u0085\xff"); got != "a b [31m \uFFFD" {
		t.Fatalf("got %q", got)
	}
}

// The old host is gone in the middle of a frame while the stream stays open, as in a guest that was restored
// from a snapshot.
func TestANewHostIsServedInTheMiddleOfAnOldConnection(t *testing.T) {
	padding := strings.Repeat("\n", maxReadFrameBytes+frameHeaderBytes)
	for name, test := range map[string]struct{ old, leftovers string }{
		"between frames":      {"", ""},
		"in a frame's header": {"\x00\x40", padding},
		"in a frame":          {"\x00\x40\x00\x00\x00\x00\x00\x00\x01half", padding},
		"in the preface":      {"-", ""},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("unix", serve(t, Options{}))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			preface := hello.Preface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00" // an empty SETTINGS frame
			if test.old == "-" {
				preface, test.old = hello.Preface[:7], ""
			}
			if _, err := io.WriteString(conn, string(hello.Line(strings.Repeat("f", 32)))+preface+test.old); err != nil {
				t.Fatal(err)
			}
			begun := time.Now()
			h := greet(t, conn, test.leftovers)
			if status, body := h.ask(t, "GET", "/health", nil); status != 200 {
				t.Fatalf("got %d %s", status, body)
			}
			if took := time.Since(begun); took > time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestCommandsEndWhenANewHostAppearsOnTheSameStream(t *testing.T) {
	conn, err := net.Dial("unix", serve(t, Options{}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	// The old host speaks through a relay, which can be removed while the stream stays open.
	near, far := net.Pipe()
	copied := make(chan error, 2)
	go func() { copied <- second(io.Copy(conn, far)) }()
	go func() { copied <- second(io.Copy(far, conn)) }()
	r := greet(t, near, "").exec(t, shell("exec sleep 1000"))
	pid := r.started()
	far.Close()
	conn.SetReadDeadline(time.Unix(1, 0))
	<-copied
	<-copied
	if !isAlive(pid) {
		t.Fatal("the command ended too early")
	}
	greet(t, conn, "")
	eventually(t, "the old host's command is ended", func() bool { return !isAlive(pid) })
}

func second[T any](_ T, err error) error { return err }

func TestTarGoesInAndComesOut(t *testing.T) {
	h := meet(t, serve(t, Options{}), "")
	into := t.TempDir() + "/new dir\xff"
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for name, content := range map[string]string{"a": "one", "d/b\n": "two"} {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, content)
	}
	w.Close()
	query := "/tar?path=" + url.QueryEscape(into)
	status, body := h.ask(t, "PUT", query, &archive)
	if status != 200 || string(body) != `{"entries":2,"bytes":6}` {
		t.Fatalf("got %d %s", status, body)
	}
	status, body = h.ask(t, "GET", query, nil)
	if status != 200 {
		t.Fatalf("got %d %s", status, body)
	}
	names := ""
	for r := tar.NewReader(bytes.NewReader(body)); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names += header.Name + "|"
	}
	if names != "a|d/|d/b\n|" {
		t.Errorf("got %q", names)
	}
}

func TestARefusedArchiveSaysWhy(t *testing.T) {
	h := meet(t, serve(t, Options{}), "")
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := errors.Join(w.WriteHeader(&tar.Header{Name: "../x", Mode: 0o600, Size: 1 << 20}), w.Flush()); err == nil {
		t.Log("the content is missing, which is not what is refused first")
	}
	archive.Write(make([]byte, 1<<20))
	status, body := h.ask(t, "PUT", "/tar?path="+url.QueryEscape(t.TempDir()), &archive)
	if status != 400 || string(body) != `{"code":"bad_request","message":"\"../x\" contains \"..\""}` {
		t.Fatalf("got %d %s", status, body)
	}
}

func TestTCPConnectsToAPortAndFailsWhenNothingListens(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			// The port answers only after the end of its input.
			question, _ := io.ReadAll(conn)
			fmt.Fprintf(conn, "%d bytes", len(question))
			conn.Close()
		}
	}()
	h := meet(t, serve(t, Options{}), "")
	path := fmt.Sprintf("/tcp?port=%d", listener.Addr().(*net.TCPAddr).Port)
	status, body := h.ask(t, "POST", path, bytes.NewReader(make([]byte, 300_000)))
	if status != 200 || string(body) != "300000 bytes" {
		t.Fatalf("got %d %q", status, body)
	}
	listener.Close()
	status, body = h.ask(t, "POST", path, nil)
	if status != 404 || !strings.Contains(string(body), `"not_found"`) {
		t.Fatalf("got %d %q", status, body)
	}
}

func TestPortsAndStatsAnswer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	h := meet(t, serve(t, Options{}), "")
	want := fmt.Sprintf(`"address":"127.0.0.1","port":%d,"pid":%d,`, listener.Addr().(*net.TCPAddr).Port, os.Getpid())
	if _, body := h.ask(t, "GET", "/ports", nil); !strings.Contains(string(body), want) {
		t.Errorf("got %s, want %s", body, want)
	}
	if status, body := h.ask(t, "GET", "/stats", nil); status != 200 || !strings.Contains(string(body), `"mount":"/"`) {
		t.Errorf("got %d %s", status, body)
	}
}

func TestSyncCountsRunningPrograms(t *testing.T) {
	h := meet(t, serve(t, Options{}), "")
	status, body := h.ask(t, "POST", "/sync", nil)
	var got synced
	if err := json.Unmarshal(body, &got); err != nil || status != 200 || got.ProgramCount == nil || *got.ProgramCount < 1 {
		t.Fatalf("got %d %s", status, body)
	}
}

func TestSyncRefusesAMalformedTrimAndTrimsNothingOutsideAVM(t *testing.T) {
	h := meet(t, serve(t, Options{}), "")
	for _, query := range []string{"trim=x", "trim=-1", "trim=1&overlay=1.5", "trim=1&work=", "trim=1&workBase=x"} {
		if status, body := h.ask(t, "POST", "/sync?"+query, nil); status != 400 {
			t.Errorf("%s: got %d %s", query, status, body)
		}
	}
	status, body := h.ask(t, "POST", "/sync?trim=1000&overlay=5&work=5&workBase=5", nil)
	if status != 200 || strings.Contains(string(body), "trimmedBytes") {
		t.Errorf("got %d %s", status, body)
	}
}

func TestStatFollowsSymlinks(t *testing.T) {
	h := meet(t, serve(t, Options{}), "")
	dir := t.TempDir()
	if err := errors.Join(os.WriteFile(dir+"/file", []byte("12345"), 0o644), os.Symlink("file", dir+"/link")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		dir:           `{"kind":"directory","sizeBytes":0}`,
		dir + "/file": `{"kind":"file","sizeBytes":5}`,
		dir + "/link": `{"kind":"file","sizeBytes":5}`,
		"/dev/null":   `{"kind":"other","sizeBytes":0}`,
	} {
		if status, body := h.ask(t, "GET", "/stat?path="+url.QueryEscape(path), nil); status != 200 || strings.TrimSpace(string(body)) != want {
			t.Errorf("%s: got %d %s", path, status, body)
		}
	}
}

func TestPowerOffAnswersFirst(t *testing.T) {
	off := make(chan struct{})
	h := meet(t, serve(t, Options{PowerOff: func() error { close(off); return nil }}), "")
	if status, body := h.ask(t, "POST", "/poweroff", nil); status != 200 || string(body) != "{}" {
		t.Fatalf("got %d %s", status, body)
	}
	select {
	case <-off:
	case <-time.After(5 * time.Second):
		t.Fatal("not powered off")
	}
}

func TestRunEndsItsCommandsBeforeItReturns(t *testing.T) {
	var pid int
	t.Run("with a command", func(t *testing.T) {
		h := meet(t, serve(t, Options{}), "")
		r := h.exec(t, shell("trap '' TERM HUP; echo; while :; do sleep 0.05; done"))
		pid = r.started()
		if kind, _ := r.next(); kind != execframe.Stdout {
			t.Fatal("the command printed nothing")
		}
	})
	if isAlive(pid) {
		t.Fatal("the command still runs")
	}
}
