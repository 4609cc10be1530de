package process

import (
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// tree is a command's session, all descendants of its processes, and those that were found in it earlier: a
// process may leave both the session (setsid) and, when its parent ends, the line of descent.
type tree struct {
	of    *Process
	known map[int]uint64
}

// EndTree ends every process of the command's session and all their descendants, those in other sessions
// included: it sends SIGTERM (and SIGCONT, so that stopped processes act on it), and SIGKILL to those that
// are left after killAfter. It returns when none is left, and returns false if there was none to end. Another
// goroutine must be in Wait meanwhile.
func (p *Process) EndTree(killAfter time.Duration) bool {
	all := &tree{of: p, known: make(map[int]uint64)}
	if all.signal(unix.SIGTERM) == 0 {
		return false
	}
	all.signal(unix.SIGCONT)
	deadline := time.Now().Add(killAfter)
	for wait := endPollFirst; time.Now().Before(deadline); wait = min(2*wait, endPollMax) {
		if len(all.members()) == 0 {
			return true
		}
		time.Sleep(wait)
	}
	for range killRounds {
		if all.signal(unix.SIGKILL) == 0 {
			break
		}
		time.Sleep(endPollFirst)
	}
	return true
}

// signal signals all living processes of the tree and returns how many there were.
func (t *tree) signal(signal unix.Signal) int {
	// They are found before the first one ends, because its children then have another parent.
	members := t.members()
	// The whole group in one call, so that a process that forks at that moment cannot escape.
	grouped, _ := t.of.signalGroup(signal)
	for _, pid := range members {
		if group, err := unix.Getpgid(pid); err != nil || grouped && group == t.of.PID {
			continue
		}
		_ = unix.Kill(pid, signal)
	}
	return len(members)
}

// members returns the living processes of the tree, and remembers them.
func (t *tree) members() []int {
	stats := allStats()
	children := make(map[int][]int)
	for pid, one := range stats {
		children[one.parent] = append(children[one.parent], pid)
	}
	var queue []int
	isReused := t.of.isReused(stats)
	for pid, one := range stats {
		start, isKnown := t.known[pid]
		if isKnown && start == one.start || !isReused && one.session == t.of.PID {
			queue = append(queue, pid)
		}
	}
	found := make(map[int]bool, len(queue))
	var members []int
	for len(queue) > 0 {
		pid := queue[0]
		queue = queue[1:]
		if found[pid] {
			continue
		}
		found[pid] = true
		t.known[pid] = stats[pid].start
		if stats[pid].isAlive() {
			members = append(members, pid)
		}
		queue = append(queue, children[pid]...)
	}
	return members
}

// isReused reports whether the command's number belongs to another process now.
func (p *Process) isReused(stats map[int]stat) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, exists := stats[p.PID]
	return p.reaped && exists
}

func allStats() map[int]stat {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil
	}
	stats := make(map[int]stat, len(names))
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if one, ok := readStat(pid); ok {
			stats[pid] = one
		}
	}
	return stats
}
