package server

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"banger.dev/agent/internal/server/execframe"
)

func TestExecKeepsStdoutAndStderrApartAndReportsTheExitCode(t *testing.T) {
	h := meet(t, serve(t, Options{}), "")
	r := h.exec(t, shell("echo out; echo err >&2; exit 42"))
	r.started()
	if got := r.rest(); got.stdout != "out\n" || got.stderr != "err\n" || got.end != `{"code":42}` {
		t.Fatalf("got %+v", got)
	}
}

func TestExecReportsTheSignal(t *testing.T) {
	h := meet(t, serve(t, Options{}), "")
	r := h.exec(t, shell("kill -SEGV $$"))
	r.started()
	if got := r.rest(); got.end != `{"signal":"SIGSEGV","number":11}` {
		t.Fatalf("got %+v", got)
	}
}

func TestExecPassesBytesThatAreNotUTF8(t *testing.T) {
	h := meet(t, serve(t, Options{}), "")
	b64 := map[string]string{"b64": base64.StdEncoding.EncodeToString([]byte("\xff\xfe"))}
	start := shell(`printf '%s' "$1$V"`)
	start["argv"] = append(start["argv"].([]any), "sh", b64)
	start["env"] = map[string]any{"V": b64}
	r := h.exec(t, start)
	r.started()
	if got := r.rest(); got.stdout != "\xff\xfe\xff\xfe" {
		t.Fatalf("got %+v", got)
	}
}

func TestExecReportsWhyACommandCouldNotStart(t *testing.T) {
	h := meet(t, serve(t, Options{}), "")
	for code, start := range map[string]map[string]any{
		"not_found":      {"argv": []string{"no-such-command"}},
		"not_executable": {"argv": []string{"/etc"}},
		"bad_request":    {"argv": []any{"sh", map[string]string{"no": "b64"}}},
	} {
		got := h.exec(t, start).rest()
		if got.last != execframe.Error || !strings.HasPrefix(got.end, `{"code":"`+code+`","message":"`) {
			t.Errorf("%s: got %+v", code, got)
		}
	}
}

func TestExecRefusesFramesInTheWrongPlace(t *testing.T) {
	h := meet(t, serve(t, Options{}), "")
	_, answer := h.ask(t, "POST", "/exec", bytes.NewReader(execframe.Append(nil, execframe.StdinEnd, nil)))
	if !bytes.Contains(answer, []byte("bad_request")) {
		t.Errorf("stdin-end first: got %q", answer)
	}
	for name, frame := range map[string]struct {
		kind    byte
		payload any
	}{
		"a second start": {execframe.Start, shell("true")},
		"unknown type":   {99, nil},
		"no JSON":        {execframe.Signal, []byte("{")},
		"no signal":      {execframe.Signal, map[string]string{"signal": "SIGNOTHING"}},
	} {
		r := h.exec(t, shell("sleep 1000"))
		pid := r.started()
		go r.frame(frame.kind, frame.payload)
		if got := r.rest(); got.last != execframe.Error || !strings.Contains(got.end, "bad_request") {
			t.Errorf("%s: got %+v", name, got)
		}
		if isAlive(pid) {
			t.Errorf("%s: the command still runs", name)
		}
	}
}

func TestStdinArrivesWholeAndIsAcknowledged(t *testing.T) {
	h := meet(t, serve(t, Options{}), "")
	const total = 5 << 20
	r := h.exec(t, shell("wc -c; cat"))
	r.started()
	go func() {
		for range total / (1 << 19) {
			r.frame(execframe.Stdin, make([]byte, 1<<19))
		}
		r.frame(execframe.StdinEnd, nil)
		r.frame(execframe.Stdin, []byte("too late"))
	}()
	got := r.rest()
	if strings.TrimSpace(got.stdout) != strconv.Itoa(total) || got.end != `{"code":0}` {
		t.Fatalf("got %q, %s", got.stdout, got.end)
	}
	if got.acked < total-ackEvery || got.acked > total {
		t.Errorf("%d bytes were acknowledged", got.acked)
	}
}

func TestTheEndOfTheRequestEndsStdinOnly(t *testing.T) {
	h := meet(t, serve(t, Options{}), "")
	r := h.exec(t, shell("cat; sleep 0.1; echo done"))
	r.started()
	r.frame(execframe.Stdin, []byte("in "))
	r.send.Close()
	if got := r.rest(); got.stdout != "in done\n" || got.end != `{"code":0}` {
		t.Fatalf("got %+v", got)
	}
}

func TestACommandThatDoesNotReadStillGetsSignals(t *testing.T) {
	h := meet(t, serve(t, Options{}), "")
	r := h.exec(t, shell("trap 'exit 9' INT; echo ready; while :; do sleep 0.02; done"))
	r.started()
	r.next()
	// As much as a host may send that keeps to the window.
	r.frame(execframe.Stdin, make([]byte, inputWindowBytes))
	r.frame(execframe.Signal, map[string]string{"signal": "SIGINT"})
	if got := r.rest(); got.end != `{"code":9}` {
		t.Fatalf("got %+v", got)
	}
}

func TestStdinIsDiscardedOnceTheCommandHasClosedIt(t *testing.T) {
	h := meet(t, serve(t, Options{}), "")
	r := h.exec(t, shell("exec <&-; sleep 0.3; echo end"))
	r.started()
	go func() {
		for range 40 {
			r.frame(execframe.Stdin, make([]byte, 1<<17))
		}
	}()
	if got := r.rest(); got.stdout != "end\n" || got.end != `{"code":0}` {
		t.Fatalf("got %+v", got)
	}
}

func TestOutputOfABackgroundChildDoesNotKeepTheRequestOpen(t *testing.T) {
	h := meet(t, serve(t, Options{}), "")
	begun := time.Now()
	r := h.exec(t, shell("(sleep 0.1; echo late; sleep 1000) & echo $!"))
	r.started()
	got := r.rest()
	lines := strings.Fields(got.stdout)
	if len(lines) != 2 || lines[1] != "late" || got.end != `{"code":0}` {
		t.Fatalf("got %+v", got)
	}
	if took := time.Since(begun); took < lingerAfterExit || took > 5*time.Second {
		t.Errorf("took %v", took)
	}
	// A background process of a command keeps running, as with any shell.
	pid, _ := strconv.Atoi(lines[0])
	if !isAlive(pid) {
		t.Error("the background child was ended")
	}
	if process, err := os.FindProcess(pid); err == nil {
		process.Kill()
	}
}

func TestAHostThatDoesNotReadBlocksTheCommandAndLosesNothing(t *testing.T) {
	h := meet(t, serve(t, Options{}), "")
	progress := t.TempDir() + "/progress"
	const lines = 3_000_000 // 20.9 MB, beyond all windows
	r := h.exec(t, shell(fmt.Sprintf("seq 1 %d; echo done > %s", lines, progress)))
	r.started()
	time.Sleep(500 * time.Millisecond)
	if _, err := os.Stat(progress); err == nil {
		t.Error("the command did not wait")
	}
	got := r.rest()
	if !strings.HasPrefix(got.stdout, "1\n2\n3\n") || !strings.HasSuffix(got.stdout, fmt.Sprintf("\n%d\n", lines)) ||
		strings.Count(got.stdout, "\n") != lines {
		t.Errorf("%d bytes arrived, %s", len(got.stdout), got.end)
	}
}

func TestAResetRequestEndsTheSession(t *testing.T) {
	h := meet(t, serve(t, Options{}), "")
	r := h.exec(t, shell("sleep 1000 & trap '' HUP TERM; echo $!; while :; do sleep 0.05; done"))
	leader := r.started()
	_, line := r.next()
	child, err := strconv.Atoi(strings.TrimSpace(string(line)))
	if err != nil {
		t.Fatal(err)
	}
	r.reset()
	eventually(t, "the child is ended", func() bool { return !isAlive(child) })
	if !isAlive(leader) {
		t.Error("the leader, which ignores SIGTERM, was killed without delay")
	}
	eventually(t, "the leader is killed", func() bool { return !isAlive(leader) })
}

func TestALostHostEndsItsCommandsAndTheNextOneIsServedAtOnce(t *testing.T) {
	path := serve(t, Options{})
	first := meet(t, path, "")
	r := first.exec(t, shell("trap '' HUP TERM; echo; while :; do sleep 0.05; done"))
	pid := r.started()
	r.next()
	first.conn.Close()
	begun := time.Now()
	second := meet(t, path, "leftovers\x00\n")
	next := second.exec(t, shell("echo next"))
	next.started()
	if got := next.rest(); got.stdout != "next\n" {
		t.Fatalf("got %+v", got)
	}
	if took := time.Since(begun); took > killAfter {
		t.Errorf("the next host had to wait for %v", took)
	}
	eventually(t, "the first host's command is killed", func() bool { return !isAlive(pid) })
}

func TestATerminalEchoesResizesAndEnds(t *testing.T) {
	h := meet(t, serve(t, Options{}), "")
	// From "go" on the shell waits for one program, so it runs the trap after that, never between the lines.
	start := shell("stty size; trap 'stty size; echo resized' WINCH; sh -c 'echo go; exec cat'; exit 3")
	start["pty"] = map[string]any{"rows": 24, "cols": 80, "term": "vt100"}
	r := h.exec(t, start)
	r.started()
	seen := ""
	for !strings.Contains(seen, "go\r\n") {
		_, payload := r.next()
		seen += string(payload)
	}
	r.frame(execframe.Resize, map[string]int{"rows": 30, "cols": 90})
	r.frame(execframe.Stdin, []byte("typed\n"))
	r.frame(execframe.StdinEnd, nil)
	got := r.rest()
	// One is the terminal's echo, the other is from cat.
	if !strings.HasPrefix(seen, "24 80\r\n") || strings.Count(got.stdout, "typed\r\n") != 2 ||
		!strings.Contains(got.stdout, "30 90\r\nresized\r\n") || got.end != `{"code":3}` {
		t.Fatalf("got %q and %+v", seen, got)
	}
}
