package process

import (
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// endPollFirst and endPollMax bound the time between two checks of End.
	endPollFirst = 5 * time.Millisecond
	endPollMax   = 50 * time.Millisecond
	// killRounds bounds the attempts to kill a session that forks as fast as it is killed.
	killRounds = 100
)

// End ends every process of the command's session: it sends SIGHUP and SIGTERM (and SIGCONT, so that stopped
// processes act on them), and SIGKILL to those that are left after killAfter. It returns when none is left.
// Another goroutine must be in Wait meanwhile.
func (p *Process) End(killAfter time.Duration) {
	for _, signal := range []unix.Signal{unix.SIGHUP, unix.SIGTERM, unix.SIGCONT} {
		p.signalSession(signal)
	}
	deadline := time.Now().Add(killAfter)
	for wait := endPollFirst; time.Now().Before(deadline); wait = min(2*wait, endPollMax) {
		if len(p.session()) == 0 {
			return
		}
		time.Sleep(wait)
	}
	for range killRounds {
		if p.signalSession(unix.SIGKILL) == 0 {
			return
		}
		time.Sleep(endPollFirst)
	}
}

// signalSession signals all living processes of the session and returns how many there were.
func (p *Process) signalSession(signal unix.Signal) int {
	// First the whole group in one call, so that a process that forks at that moment cannot escape; then the
	// session's other groups.
	grouped, _ := p.signalGroup(signal)
	members := p.session()
	for _, pid := range members {
		if group, err := unix.Getpgid(pid); err != nil || grouped && group == p.PID {
			continue
		}
		_ = unix.Kill(pid, signal)
	}
	return len(members)
}

// session returns the living processes of the command's session. It returns none when the session has ended
// and its number now belongs to another session.
func (p *Process) session() []int {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var members []int
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		found, ok := readStat(pid)
		if !ok || found.session != p.PID {
			continue
		}
		if p.reaped && pid == p.PID {
			return nil
		}
		if found.isAlive() {
			members = append(members, pid)
		}
	}
	return members
}
