package confine

import (
	"fmt"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// logPipes are the ends of the pipes to which the program writes its logs.
type logPipes struct {
	// the pipe for the guest's console; the program has it as the descriptor after its sockets
	console int
	// the pipe for its stdout and stderr
	own int
	// connection for sending seccomp's listener descriptor to the log keeper; 0 when no calls are held
	held int
}

// holdDescriptor is greater than every descriptor that the program gets.
const holdDescriptor = 64

// startKeeper starts the log keeper, the process that writes the logs, and returns the pipes for the program.
// The keeper ends when the last writer has ended, that is, with the program. If it ends earlier, the logs are
// lost, but the program does not block.
func (p *Plan) startKeeper() (*logPipes, error) {
	if p.Console == "" {
		return nil, nil
	}
	var reads, writes [2]int
	for at := range reads {
		var ends [2]int
		if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
			return nil, fmt.Errorf("confine: cannot create a pipe: %w", err)
		}
		reads[at], writes[at] = ends[0], ends[1]
		// The program must not wait for the log keeper when it logs.
		if err := unix.SetNonblock(ends[1], true); err != nil {
			return nil, fmt.Errorf("confine: cannot set up a pipe: %w", err)
		}
	}
	logs := &logPipes{console: writes[0], own: writes[1]}
	// The keeper's own messages go to this process's stderr.
	files := []uintptr{0, 1, 2, uintptr(reads[0]), uintptr(reads[1])}
	var more []string
	if p.holdsMap() {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("confine: cannot create a pair of sockets: %w", err)
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
		return nil, fmt.Errorf("confine: cannot find its own program: %w", err)
	}
	size := strconv.FormatInt(p.MaxLog, 10)
	argv := append([]string{self, "keep-logs", "--max", size, "--keep", p.Console, "--keep", p.Log}, more...)
	// The keeper needs only one buffer. With its defaults, Go would use more memory than that before it
	// collects garbage.
	env := []string{"GOGC=10", "GOMAXPROCS=1"}
	keeper, err := syscall.ForkExec(self, argv, &syscall.ProcAttr{Dir: "/", Env: env, Files: files})
	if err != nil {
		return nil, fmt.Errorf("confine: cannot start the log keeper: %w", err)
	}
	if logs.held != 0 {
		// The keeper reads from the program's memory which file a held call names. Yama may forbid that to a
		// child. Without Yama this call fails, and is not needed.
		_ = unix.Prctl(unix.PR_SET_PTRACER, uintptr(keeper), 0, 0, 0)
	}
	unix.Close(reads[0])
	unix.Close(reads[1])
	return logs, nil
}
