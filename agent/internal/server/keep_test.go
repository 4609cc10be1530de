package server

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// counting writes a line to the file and to its output about every 10 ms. It keeps both open.
func counting(file string) string {
	return fmt.Sprintf(`exec 3>>%s; i=0; while :; do i=$((i + 1)); echo $i >&3; echo "out $i"; sleep 0.01; done`, file)
}

func lines(t *testing.T, file string) int {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Count(string(content), "\n")
}

// keepsRunning waits until the file has 20 more lines.
func keepsRunning(t *testing.T, file string) {
	t.Helper()
	before := lines(t, file)
	eventually(t, "the command keeps running", func() bool { return lines(t, file) > before+20 })
}

func (h *host) keep(t *testing.T, isOn bool) {
	t.Helper()
	status, body := h.ask(t, "POST", "/keep", strings.NewReader(fmt.Sprintf(`{"keep":%t}`, isOn)))
	if status != 200 || string(body) != "{}" {
		t.Fatalf("got %d %s", status, body)
	}
}

// endLater ends, after the test, a process that the test leaves running.
func endLater(t *testing.T, pid int) {
	t.Cleanup(func() {
		_ = syscall.Kill(-pid, syscall.SIGKILL)
		eventually(t, "the command is gone", func() bool { return !isAlive(pid) })
	})
}

func TestKeptCommandsOutliveTheLossOfTheirHost(t *testing.T) {
	path, file, eof := serve(t, Options{}), t.TempDir()+"/count", t.TempDir()+"/eof"
	first := meet(t, path, "")
	counter := first.exec(t, shell(counting(file)))
	pid := counter.started()
	endLater(t, pid)
	// Far more output than all windows hold, and nothing reads it.
	flood := first.exec(t, shell("yes | head -c 60000000; echo $? >> "+eof))
	flood.started()
	reader := first.exec(t, shell("cat; echo end >> "+eof))
	reader.started()
	first.keep(t, true)
	first.conn.Close()
	keepsRunning(t, file)
	eventually(t, "its input has ended, and its output is discarded", func() bool { return lines(t, eof) == 2 })

	// The next host's commands are not kept, and the kept one is not the next host's.
	second := meet(t, path, "")
	next := second.exec(t, shell("sleep 1000"))
	ended := next.started()
	second.conn.Close()
	eventually(t, "a command that is not kept is ended", func() bool { return !isAlive(ended) })
	keepsRunning(t, file)
	if !isAlive(pid) {
		t.Error("the kept command was ended with the next host")
	}
}

func TestAKeptTerminalStaysOpenWithoutAHangUp(t *testing.T) {
	path, file := serve(t, Options{}), t.TempDir()+"/count"
	h := meet(t, path, "")
	// The command records everything that would end a terminal session: a signal, or the end of its input.
	start := shell(fmt.Sprintf(`trap 'echo hup >> %[1]s.end' HUP; trap 'echo term >> %[1]s.end' TERM
		(while read -r line; do :; done; echo eof >> %[1]s.end) < /dev/tty & %[2]s`, file, counting(file)))
	start["pty"] = map[string]any{"rows": 24, "cols": 80}
	r := h.exec(t, start)
	endLater(t, r.started())
	r.next()
	h.keep(t, true)
	h.conn.Close()
	keepsRunning(t, file)
	if content, err := os.ReadFile(file + ".end"); !os.IsNotExist(err) {
		t.Errorf("got %q, %v", content, err)
	}
}

func TestCommandsAreKeptOnlyWhileTheHostSaysSo(t *testing.T) {
	path := serve(t, Options{})
	h := meet(t, path, "")
	r := h.exec(t, shell("sleep 1000"))
	pid := r.started()
	h.keep(t, true)
	h.keep(t, false)
	h.conn.Close()
	eventually(t, "the command is ended", func() bool { return !isAlive(pid) })
}

func TestAResetRequestEndsItsCommandEvenOnAConnectionThatKeepsCommands(t *testing.T) {
	h := meet(t, serve(t, Options{}), "")
	r := h.exec(t, shell("sleep 1000"))
	pid := r.started()
	h.keep(t, true)
	r.reset()
	eventually(t, "the command is ended", func() bool { return !isAlive(pid) })
}

func TestKeepRejectsARequestWithoutAValue(t *testing.T) {
	h := meet(t, serve(t, Options{}), "")
	for _, body := range []string{"", "{}", `{"keep":1}`} {
		if status, answer := h.ask(t, "POST", "/keep", strings.NewReader(body)); status != 400 || !strings.Contains(string(answer), "bad_request") {
			t.Errorf("%q: got %d %s", body, status, answer)
		}
	}
}

func TestTheServerEndsWithoutWaitingForKeptCommands(t *testing.T) {
	file := t.TempDir() + "/count"
	var begun time.Time
	all := t
	t.Run("with one", func(t *testing.T) {
		h := meet(t, serve(t, Options{}), "")
		r := h.exec(t, shell(counting(file)))
		// After the server has ended.
		endLater(all, r.started())
		h.keep(t, true)
		h.conn.Close()
		keepsRunning(t, file)
		begun = time.Now()
	})
	if took := time.Since(begun); took > endGrace/2 {
		t.Errorf("took %v", took)
	}
	keepsRunning(t, file)
}
