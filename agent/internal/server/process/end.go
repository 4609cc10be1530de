package process

import (
	"bytes"
	"fmt"
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
		state, session, ok := readStat(pid)
		if !ok || session != p.PID {
			continue
		}
		if p.reaped && pid == p.PID {
			return nil
		}
		if state != 'Z' && state != 'X' {
			members = append(members, pid)
		}
	}
	return members
}

// readStat parses proc_pid_stat(5): pid (name) state ppid pgrp session. The name may contain any character,
// ")" included.
func readStat(pid int) (state byte, session int, ok bool) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, false
	}
	return parseStat(content)
}

func parseStat(content []byte) (state byte, session int, ok bool) {
	_, rest, found := bytes.Cut(content[max(0, bytes.LastIndexByte(content, ')')):], []byte(") "))
	fields := bytes.Fields(rest)
	if !found || len(fields) < 4 || len(fields[0]) != 1 {
		return 0, 0, false
	}
	session, err := strconv.Atoi(string(fields[3]))
	return fields[0][0], session, err == nil
}
