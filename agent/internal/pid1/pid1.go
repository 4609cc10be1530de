// Package pid1 is process 1 of an image without systemd: it prepares what programs in a container expect,
// keeps the agent running, reaps orphaned processes, and ends the VM.
//
// The agent itself is a child process. Process 1 has to wait for every process; if the agent were process 1,
// that would take the exit status of its commands away from it.
package pid1

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"

	"banger.dev/agent/internal/power"
)

// SIGRTMIN+4, as systemd and the C library count.
const sigPowerOff = unix.Signal(38)

// offSignals are the signals that ask process 1 to power off: those of systemd, of busybox (halt, poweroff,
// reboot), of container engines, and Ctrl-Alt-Del. A restart ends the VM, too: the host decides whether it
// starts again.
var offSignals = []os.Signal{sigPowerOff, unix.SIGUSR1, unix.SIGUSR2, unix.SIGTERM, unix.SIGPWR, unix.SIGINT}

const (
	// restartPause keeps an agent that fails at every start from using a whole processor.
	restartPause = 100 * time.Millisecond
	// endGrace is the time between SIGTERM and SIGKILL.
	endGrace = 2 * time.Second
)

// PowerOff asks process 1 to power the VM off, whatever init that is.
func PowerOff() error {
	if err := unix.Kill(1, sigPowerOff); err != nil {
		return fmt.Errorf("signal process 1: %w", err)
	}
	return nil
}

// Run does the work of process 1. agent is the path and the arguments of the agent. It does not return.
func Run(agent []string, console io.Writer) {
	off := make(chan os.Signal, 1)
	signal.Notify(off, offSignals...)
	exits := make(chan os.Signal, 1)
	signal.Notify(exits, unix.SIGCHLD)
	for _, err := range prepare() {
		fmt.Fprintf(console, "banger-agent: %v\n", err)
	}
	keep := keeper{agent: agent, start: startProcess, killAll: killAll}
	retry := time.NewTimer(0)
	for {
		select {
		case <-retry.C:
			if err := keep.startAgent(); err != nil {
				fmt.Fprintf(console, "banger-agent: cannot start the agent: %v\n", err)
				retry.Reset(restartPause)
			}
		case <-exits:
			if keep.reap(waitAny) {
				retry.Reset(restartPause)
			}
		case <-off:
			endProcesses(exits)
			unmountAll()
			power.Off()
		}
	}
}

// keeper remembers the agent's process, the one child that must keep running.
type keeper struct {
	agent   []string
	start   func(argv []string) (pid int, err error)
	killAll func(signal unix.Signal)
	pid     int
}

func (k *keeper) startAgent() (err error) {
	k.pid, err = k.start(k.agent)
	return err
}

// reap reaps every process that has ended, and returns true when the agent was one of them. The agent's
// commands then end too, as under systemd, because no host could reach them any more.
func (k *keeper) reap(wait func() (pid int)) bool {
	agentEnded := false
	for {
		pid := wait()
		if pid <= 0 {
			return agentEnded
		}
		if pid == k.pid {
			k.killAll(unix.SIGKILL)
			k.pid = 0
			agentEnded = true
		}
	}
}

func startProcess(argv []string) (int, error) {
	process, err := os.StartProcess(argv[0], argv, &os.ProcAttr{
		Dir:   "/",
		Env:   []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "TERM=linux"},
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
		Sys:   &unix.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return 0, err
	}
	pid := process.Pid
	return pid, process.Release()
}

// waitAny reaps one process that has ended and returns its number, or 0 or less when there is none.
func waitAny() int {
	for {
		pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
		if err != unix.EINTR {
			return pid
		}
	}
}

// killAll signals every process except this one.
func killAll(signal unix.Signal) {
	_ = unix.Kill(-1, signal)
}

// endProcesses ends all other processes. It returns when they are gone, or when even SIGKILL did not end them
// in time.
func endProcesses(exits <-chan os.Signal) {
	for _, signal := range []unix.Signal{unix.SIGTERM, unix.SIGKILL} {
		killAll(signal)
		if waitForAll(exits, endGrace) {
			return
		}
	}
}

// waitForAll reaps until no other process is left; all of them descend from this one. It returns false when
// that takes longer than `grace`.
func waitForAll(exits <-chan os.Signal, grace time.Duration) bool {
	timeout := time.After(grace)
	for {
		pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
		switch {
		case err == unix.ECHILD:
			return true
		case pid > 0 || err == unix.EINTR:
			continue
		}
		select {
		case <-exits:
		case <-timeout:
			return false
		}
	}
}
