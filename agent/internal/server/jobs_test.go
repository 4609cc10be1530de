package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"banger.dev/agent/internal/server/execframe"
	"banger.dev/agent/internal/server/jobs"
)

func (h *host) startJob(t *testing.T, query, script string) jobs.View {
	t.Helper()
	start := shell(script)
	start["user"] = fmt.Sprint(os.Getuid())
	body, _ := json.Marshal(start)
	status, answer := h.ask(t, "POST", "/jobs"+query, strings.NewReader(string(body)))
	return viewOf(t, status, answer)
}

func viewOf(t *testing.T, status int, answer []byte) (view jobs.View) {
	t.Helper()
	if status != 200 || json.Unmarshal(answer, &view) != nil {
		t.Fatalf("got %d %s", status, answer)
	}
	return view
}

func (h *host) jobs(t *testing.T) []jobs.View {
	t.Helper()
	var list struct{ Jobs []jobs.View }
	if status, answer := h.ask(t, "GET", "/jobs", nil); status != 200 || json.Unmarshal(answer, &list) != nil {
		t.Fatalf("got %d %s", status, answer)
	}
	return list.Jobs
}

// jobOutput is what was read of a job.
type jobOutput struct {
	stdout, stderr string
	cursor         int64
	dropped        int64
	last           byte
	end            string
}

// read reads output of a job to its end, or up to most bytes.
func (h *host) read(t *testing.T, id string, after int64, isFollowed bool, most int) (got jobOutput) {
	t.Helper()
	path := fmt.Sprintf("http://guest/jobs/output?job=%s&after=%d", id, after)
	if isFollowed {
		path += "&follow=1"
	}
	answer, err := h.Get(path)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("got %d", answer.StatusCode)
	}
	frames := execframe.NewReader(answer.Body)
	for {
		kind, _, err := frames.Next()
		if err != nil {
			t.Fatal(err)
		}
		payload, err := frames.Payload()
		if err != nil {
			t.Fatal(err)
		}
		switch kind {
		case execframe.Position:
			var position jobPosition
			if err := json.Unmarshal(payload, &position); err != nil {
				t.Fatal(err)
			}
			got.cursor, got.dropped = position.At, got.dropped+position.Dropped
		case execframe.Stdout:
			got.stdout += string(payload)
			got.cursor += int64(len(payload))
		case execframe.Stderr:
			got.stderr += string(payload)
			got.cursor += int64(len(payload))
		default:
			got.last, got.end = kind, string(payload)
			return got
		}
		if most > 0 && len(got.stdout)+len(got.stderr) >= most {
			return got
		}
	}
}

func TestAJobOutlivesItsHostAndItsOutputIsReadByCursor(t *testing.T) {
	path := serve(t, Options{})
	first := meet(t, path, "")
	job := first.startJob(t, "", "i=0; while [ $i -lt 200 ]; do echo out $i; echo err $i >&2; i=$((i + 1)); done; cat; exit 7")
	begun := first.read(t, job.ID, 0, true, 100)
	first.conn.Close()

	second := meet(t, path, "")
	rest := second.read(t, job.ID[:6], begun.cursor, true, 0)
	var stdout, stderr string
	for i := range 200 {
		stdout += fmt.Sprintf("out %d\n", i)
		stderr += fmt.Sprintf("err %d\n", i)
	}
	if begun.stdout+rest.stdout != stdout || begun.stderr+rest.stderr != stderr {
		t.Errorf("got %d and %d bytes", len(begun.stdout+rest.stdout), len(begun.stderr+rest.stderr))
	}
	if rest.last != execframe.Exit || rest.end != `{"code":7}` || rest.dropped != 0 || rest.cursor != int64(len(stdout+stderr)) {
		t.Errorf("got %d %s, %d dropped, cursor %d", rest.last, rest.end, rest.dropped, rest.cursor)
	}
	listed := second.jobs(t)
	if len(listed) != 1 || listed[0].IsRunning || *listed[0].Exit.Code != 7 || listed[0].Next != rest.cursor || listed[0].EndedMs < listed[0].StartedMs {
		t.Errorf("got %+v", listed)
	}
}

func TestTheOldestOutputOfAJobIsDroppedAndCounted(t *testing.T) {
	h := meet(t, serve(t, Options{}), "")
	job := h.startJob(t, "", "head -c 20000000 /dev/zero; echo end")
	eventually(t, "the job has ended", func() bool { return !h.jobs(t)[0].IsRunning })
	got := h.read(t, job.ID, 1000, false, 0)
	kept := len(got.stdout)
	if kept < 3<<20 || kept > 4<<20 || got.dropped+int64(kept) != 20000004-1000 || got.cursor != 20000004 || !strings.HasSuffix(got.stdout, "\x00end\n") {
		t.Errorf("%d bytes, %d dropped, cursor %d", kept, got.dropped, got.cursor)
	}
	if again := h.read(t, job.ID, got.cursor, false, 0); again.stdout != "" || again.dropped != 0 || again.last != execframe.Exit {
		t.Errorf("got %+v", again)
	}
}

func TestAJobThatRunsIsReadUpToItsEndOfNow(t *testing.T) {
	h := meet(t, serve(t, Options{}), "")
	job := h.startJob(t, "", "echo begun; exec sleep 1000")
	eventually(t, "its output", func() bool { return h.jobs(t)[0].Next == 6 })
	if got := h.read(t, job.ID, 0, false, 0); got.stdout != "begun\n" || got.last != execframe.Pause {
		t.Errorf("got %+v", got)
	}
	status, answer := h.ask(t, "POST", "/jobs/end?job="+job.ID, nil)
	if view := viewOf(t, status, answer); view.IsRunning || view.Exit.Signal != "SIGTERM" || isAlive(job.PID) {
		t.Errorf("got %+v", view)
	}
	if status, answer := h.ask(t, "POST", "/jobs/end?job="+job.ID, nil); status != 409 {
		t.Errorf("a job ended twice: %d %s", status, answer)
	}
}

func TestAJobGetsASignalAndHasATimeLimit(t *testing.T) {
	h := meet(t, serve(t, Options{}), "")
	job := h.startJob(t, "", "trap 'echo usr; exit 5' USR1; echo ready; while :; do sleep 0.02; done")
	eventually(t, "its trap", func() bool { return h.jobs(t)[0].Next == 6 })
	status, answer := h.ask(t, "POST", "/jobs/signal?job="+job.ID+"&signal=USR1", nil)
	viewOf(t, status, answer)
	if got := h.read(t, job.ID, 0, true, 0); got.end != `{"code":5}` || got.stdout != "ready\nusr\n" {
		t.Errorf("got %+v", got)
	}
	limited := h.startJob(t, "?timeout=200", "exec sleep 1000")
	if got := h.read(t, limited.ID, 0, true, 0); got.end != timedOut {
		t.Errorf("got %+v", got)
	}
}

func TestJobsAreRefusedWithAReason(t *testing.T) {
	h := meet(t, serve(t, Options{}), "")
	job := h.startJob(t, "", "true")
	user := fmt.Sprint(os.Getuid())
	for _, one := range []struct {
		method, path, body string
		status             int
		code               string
	}{
		{"POST", "/jobs", `{"argv":["no-such-program"],"user":"` + user + `"}`, 422, "not_found"},
		{"POST", "/jobs", `{"argv":["/etc/passwd"],"user":"` + user + `"}`, 422, "not_executable"},
		{"POST", "/jobs", `{"argv":[]}`, 422, "bad_request"},
		{"POST", "/jobs", `{"argv":["true"],"pty":{"rows":1,"cols":1}}`, 400, "bad_request"},
		{"POST", "/jobs?timeout=0", `{"argv":["true"]}`, 400, "bad_request"},
		{"GET", "/jobs/output?job=zz&after=0", "", 404, "not_found"},
		{"GET", "/jobs/output?job=&after=0", "", 404, "not_found"},
		{"GET", "/jobs/output?job=" + job.ID + "&after=99", "", 400, "bad_request"},
		{"GET", "/jobs/output?job=" + job.ID + "&after=-1", "", 400, "bad_request"},
		{"GET", "/jobs/output?job=" + job.ID, "", 400, "bad_request"},
		{"POST", "/jobs/signal?job=" + job.ID + "&signal=NO", "", 400, "bad_request"},
		{"POST", "/jobs/signal?job=zz&signal=TERM", "", 404, "not_found"},
	} {
		status, answer := h.ask(t, one.method, one.path, strings.NewReader(one.body))
		var failure failure
		if json.Unmarshal(answer, &failure) != nil || status != one.status || failure.Code != one.code {
			t.Errorf("%s %s %s: got %d %s", one.method, one.path, one.body, status, answer)
		}
	}
}

func TestTheOldestJobThatHasEndedMakesRoom(t *testing.T) {
	h := meet(t, serve(t, Options{}), "")
	running := h.startJob(t, "", "exec sleep 1000")
	endLater(t, running.PID)
	for range jobs.MaxJobs - 1 {
		h.startJob(t, "", "true")
	}
	eventually(t, "all others have ended", func() bool {
		count := 0
		for _, one := range h.jobs(t) {
			if one.IsRunning {
				count++
			}
		}
		return count == 1
	})
	second := h.jobs(t)[1].ID
	h.startJob(t, "", "true")
	listed := h.jobs(t)
	if len(listed) != jobs.MaxJobs || listed[0].ID != running.ID || listed[1].ID == second {
		t.Errorf("%d jobs, the first are %s and %s", len(listed), listed[0].ID, listed[1].ID)
	}
}
