package process

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Status is how a command ended.
type Status struct {
	// Code is the exit code when Signal is 0.
	Code   int
	Signal syscall.Signal
}

// Wait waits for the end of the command itself, not of the processes that it left running. It must be called
// exactly once. It waits in Go's poller and blocks no thread: with one CPU, a thread in wait4 would delay the
// reading of output by milliseconds.
func (p *Process) Wait() (Status, error) {
	raw, err := p.pollable()
	if err != nil {
		// Linux before 5.3 has no pidfd.
		for {
			err := unix.Waitid(unix.P_PID, p.PID, nil, unix.WEXITED|unix.WNOWAIT, nil)
			if !errors.Is(err, unix.EINTR) {
				return p.reap()
			}
		}
	}
	defer raw.Close()
	var status Status
	var failure error
	err = raw.wait(func() bool {
		status, failure = p.reap()
		return !errors.Is(failure, errRunning)
	})
	if err != nil {
		return Status{}, err
	}
	return status, failure
}

type pidfdFile struct {
	*os.File
	conn syscall.RawConn
}

func (f pidfdFile) wait(ended func() bool) error {
	return f.conn.Read(func(uintptr) bool { return ended() })
}

func (p *Process) pollable() (pidfdFile, error) {
	if p.pidfd < 0 {
		return pidfdFile{}, os.ErrInvalid
	}
	if err := unix.SetNonblock(p.pidfd, true); err != nil {
		return pidfdFile{}, err
	}
	file := os.NewFile(uintptr(p.pidfd), "pidfd")
	conn, err := file.SyscallConn()
	if err != nil {
		file.Close()
	}
	return pidfdFile{file, conn}, err
}

var errRunning = errors.New("still running")

// reap returns the status of the command if it has ended, and frees its number.
func (p *Process) reap() (Status, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var wait unix.WaitStatus
	for {
		pid, err := unix.Wait4(p.PID, &wait, unix.WNOHANG, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err == nil && pid == 0 {
			return Status{}, errRunning
		}
		p.reaped = true
		if err != nil {
			return Status{}, fmt.Errorf("wait for process %d: %w", p.PID, err)
		}
		break
	}
	if wait.Signaled() {
		return Status{Signal: wait.Signal()}, nil
	}
	return Status{Code: wait.ExitStatus()}, nil
}

// Signal sends a signal to the command's process group. It does nothing once the command has ended.
func (p *Process) Signal(signal syscall.Signal) error {
	_, err := p.signalGroup(signal)
	return err
}

// signalGroup signals the process group and returns true, unless the leader has been reaped: then the number
// may belong to another group.
func (p *Process) signalGroup(signal syscall.Signal) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return false, nil
	}
	err := unix.Kill(-p.PID, signal)
	if errors.Is(err, unix.ESRCH) {
		return false, nil
	}
	return true, err
}

// Resize sets the size of the terminal; the programs on it get SIGWINCH.
func (p *Process) Resize(rows, cols uint16) error {
	raw, err := p.Stdin.SyscallConn()
	if err != nil {
		return err
	}
	var failure error
	if err := raw.Control(func(fd uintptr) { failure = setSize(int(fd), rows, cols) }); err != nil {
		return err
	}
	return failure
}

// ParseSignal finds a signal by its name, "SIGINT" or "INT".
func ParseSignal(name string) (syscall.Signal, error) {
	full := strings.ToUpper(name)
	if !strings.HasPrefix(full, "SIG") {
		full = "SIG" + full
	}
	signal := unix.SignalNum(full)
	if signal == 0 {
		return 0, fmt.Errorf("no such signal: %q", name)
	}
	return signal, nil
}

// SignalName is the inverse of ParseSignal. It returns a number for a signal that has no name.
func SignalName(signal syscall.Signal) string {
	if name := unix.SignalName(signal); name != "" {
		return name
	}
	return fmt.Sprintf("SIG%d", int(signal))
}
