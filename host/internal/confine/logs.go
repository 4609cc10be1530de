package confine

import (
	"fmt"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// logPipes are the ends of the pipes that the program writes its logs to.
type logPipes struct {
	// where the console of its guest goes; the program has it as a descriptor behind its sockets
	console int
	// its stdout and stderr
	own int
	// connection over which the process is given what seccomp tells of calls that are held; 0 when none are
	held int
}

// holdDescriptor is behind all descriptors that the program is given.
const holdDescriptor = 64

// startKeeper starts the process that writes the logs, and returns what the program writes to. The process
// ends with the program: when the last writer is gone. Should it end before, what is written is lost, and
// nobody waits.
func (p *Plan) startKeeper() (*logPipes, error) {
	if p.Console == "" {
		return nil, nil
	}
	var reads, writes [2]int
	for at := range reads {
		var ends [2]int
		if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
			return nil, fmt.Errorf("confine: cannot make a pipe: %w", err)
		}
		reads[at], writes[at] = ends[0], ends[1]
		// A program that logs must not wait for the process that writes it down.
		if err := unix.SetNonblock(ends[1], true); err != nil {
			return nil, fmt.Errorf("confine: cannot set up a pipe: %w", err)
		}
	}
	logs := &logPipes{console: writes[0], own: writes[1]}
	// Its own messages go where those of this program went so far.
	files := []uintptr{0, 1, 2, uintptr(reads[0]), uintptr(reads[1])}
	var more []string
	if p.holdsMap() {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("confine: cannot make a pair of sockets: %w", err)
		}
		if logs.held, err = unix.FcntlInt(uintptr(pair[0]), unix.F_DUPFD_CLOEXEC, holdDescriptor); err != nil {
			return nil, fmt.Errorf("confine: cannot copy a descriptor: %w", err)
		}
		files, more = append(files, uintptr(pair[1])), []string{"--memory", p.Map[0]}
		defer unix.Close(pair[0])
		defer unix.Close(pair[1])
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("confine: cannot find itself: %w", err)
	}
	size := strconv.FormatInt(p.MaxLog, 10)
	argv := append([]string{self, "keep-logs", "--max", size, "--keep", p.Console, "--keep", p.Log}, more...)
	// It needs one buffer: the memory that Go would let pile up before it tidies is more than that.
	env := []string{"GOGC=10", "GOMAXPROCS=1"}
	keeper, err := syscall.ForkExec(self, argv, &syscall.ProcAttr{Dir: "/", Env: env, Files: files})
	if err != nil {
		return nil, fmt.Errorf("confine: cannot start the process that writes the logs: %w", err)
	}
	if logs.held != 0 {
		// It reads which file a held call names, which Yama may keep from a child. Without Yama there is no such
		// call.
		_ = unix.Prctl(unix.PR_SET_PTRACER, uintptr(keeper), 0, 0, 0)
	}
	unix.Close(reads[0])
	unix.Close(reads[1])
	return logs, nil
}
