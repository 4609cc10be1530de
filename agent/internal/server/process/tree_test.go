package process

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// alive reports whether a process runs and is not a zombie.
func alive(pid int) bool {
	found, ok := readStat(pid)
	return ok && found.isAlive()
}

// familyOf starts a shell script that prints the numbers of its processes, and waits for them.
func familyOf(t *testing.T, script string, count int) (*Process, []int) {
	t.Helper()
	p := start(t, Spec{Argv: []string{"sh", "-c", script}})
	lines := bufio.NewScanner(p.Stdout)
	var pids []int
	for len(pids) < count && lines.Scan() {
		pid, err := strconv.Atoi(strings.TrimSpace(lines.Text()))
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	if len(pids) != count {
		t.Fatalf("got %v of %d processes", pids, count)
	}
	go p.Wait()
	return p, pids
}

func TestEndTreeEndsDescendantsInOtherSessions(t *testing.T) {
	// A child in the group, one in another session, and a grandchild of that which ignores SIGTERM and whose
	// parent ends at it.
	p, pids := familyOf(t, `sleep 1000 & echo $!
		setsid sh -c 'setsid sh -c "trap : TERM; echo \$\$; while :; do sleep 1000; done" & echo $$; wait' & wait`, 3)
	for _, pid := range pids {
		if !alive(pid) {
			t.Fatalf("%d does not run", pid)
		}
	}
	begun := time.Now()
	if !p.EndTree(300 * time.Millisecond) {
		t.Error("it found nothing to end")
	}
	if took := time.Since(begun); took < 300*time.Millisecond {
		t.Errorf("SIGKILL came after %v", took)
	}
	for _, pid := range append(pids, p.PID) {
		if alive(pid) {
			t.Errorf("%d is left", pid)
		}
	}
	if p.EndTree(time.Second) {
		t.Error("it ended something twice")
	}
}

func TestEndTreeLetsACommandEndByItself(t *testing.T) {
	file := t.TempDir() + "/ended"
	p, _ := familyOf(t, fmt.Sprintf(`trap 'sleep 0.1; echo bye > %s; exit 0' TERM; echo $$; while :; do sleep 0.02; done`, file), 1)
	p.EndTree(10 * time.Second)
	if content, err := os.ReadFile(file); err != nil || string(content) != "bye\n" {
		t.Errorf("got %q, %v", content, err)
	}
}

func TestEndTreeLeavesOtherProcessesAlone(t *testing.T) {
	other, others := familyOf(t, `sleep 1000 & echo $!; wait`, 1)
	p, _ := familyOf(t, `echo $$; sleep 1000`, 1)
	p.EndTree(time.Second)
	if !alive(others[0]) || !alive(other.PID) {
		t.Error("another command was ended")
	}
	other.EndTree(time.Second)
}

func TestALimitThatHasNotPassedEndsNothing(t *testing.T) {
	p := start(t, Spec{Argv: []string{"true"}})
	limit := p.LimitTo(time.Minute, func() { t.Error("it passed") })
	if _, err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	if limit.Over() || (*Limit)(nil).Over() || p.LimitTo(0, nil) != nil {
		t.Error("a limit is over that has not passed")
	}
}
