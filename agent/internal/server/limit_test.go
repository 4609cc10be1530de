package server

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"banger.dev/agent/internal/server/execframe"
)

const timedOut = `{"code":124,"timedOut":true}`

// pidIn waits for a process number in a file.
func pidIn(t *testing.T, file string) (pid int) {
	t.Helper()
	eventually(t, "a process number", func() bool {
		content, _ := os.ReadFile(file)
		var err error
		pid, err = strconv.Atoi(strings.TrimSpace(string(content)))
		return err == nil
	})
	return pid
}

func TestATimeLimitEndsTheCommandAndItsDescendants(t *testing.T) {
	h, file := meet(t, serve(t, Options{}), ""), t.TempDir()+"/pid"
	r := h.execAt(t, "/exec?timeout=300", shell("echo out; setsid sh -c 'echo $$ > "+file+"; exec sleep 1000' & wait"))
	pid := r.started()
	child := pidIn(t, file)
	got := r.rest()
	if got.last != execframe.Exit || got.end != timedOut || got.stdout != "out\n" {
		t.Errorf("got %+v", got)
	}
	if isAlive(pid) || isAlive(child) {
		t.Error("a process is left")
	}
}

func TestACommandThatEndsInTimeKeepsItsStatus(t *testing.T) {
	h := meet(t, serve(t, Options{}), "")
	got := h.execAt(t, "/exec?timeout=60000", shell("exit 3"))
	got.started()
	if end := got.rest().end; end != `{"code":3}` {
		t.Errorf("got %s", end)
	}
}

func TestOutputThatSomethingElseHoldsDoesNotOutliveTheTimeLimit(t *testing.T) {
	// The writer is in another session, and its parent has ended: nothing shows that it belongs to the command.
	h, file := meet(t, serve(t, Options{}), ""), t.TempDir()+"/pid"
	r := h.execAt(t, "/exec?timeout=300", shell(`(setsid sh -c 'echo $$ > `+file+`; while :; do echo x; sleep 0.05; done' &) ; sleep 1000`))
	r.started()
	endLater(t, pidIn(t, file))
	if end := r.rest().end; end != timedOut {
		t.Errorf("got %s", end)
	}
}

func TestATimeLimitHoldsForACommandThatHasOutlivedItsHost(t *testing.T) {
	h := meet(t, serve(t, Options{}), "")
	r := h.execAt(t, "/exec?timeout=500", shell("sleep 1000"))
	pid := r.started()
	h.keep(t, true)
	h.conn.Close()
	time.Sleep(50 * time.Millisecond)
	if !isAlive(pid) {
		t.Fatal("the command was ended with its host")
	}
	eventually(t, "the command is ended", func() bool { return !isAlive(pid) })
}

func TestExecRefusesAWrongTimeLimit(t *testing.T) {
	h := meet(t, serve(t, Options{}), "")
	for _, wrong := range []string{"0", "-1", "x", "2147483648", "1e3"} {
		got := h.execAt(t, "/exec?timeout="+wrong, shell("true")).rest()
		var failure struct{ Code string }
		if got.last != execframe.Error || json.Unmarshal([]byte(got.end), &failure) != nil || failure.Code != "bad_request" {
			t.Errorf("%s: got %d %s", wrong, got.last, got.end)
		}
	}
}
