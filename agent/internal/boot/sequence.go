package boot

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"banger.dev/agent/internal/cmdline"
	"banger.dev/agent/internal/drives"
	"banger.dev/agent/internal/power"
)

// sequence is a boot in progress.
type sequence struct {
	console *os.File
	args    []string
	options cmdline.Options
	drives  map[string]drives.Drive
	// rootDevice is the path of the root's device-mapper device, rootSectors its size.
	rootDevice  string
	rootSectors uint64
	// deviceModules and agentInstalled wait for work in the background.
	deviceModules  func() error
	agentInstalled func() error

	mutex  sync.Mutex
	stage  string
	failed sync.Once
}

// step runs one stage of the boot and records its end.
func (s *sequence) step(stage string, run func() error) error {
	s.mutex.Lock()
	s.stage = stage
	s.mutex.Unlock()
	if err := run(); err != nil {
		return err
	}
	s.mark(stage)
	return nil
}

// fail prints why the boot ended, and powers the VM off. It does not return.
func (s *sequence) fail(cause error) {
	s.failed.Do(func() {
		s.mutex.Lock()
		stage := s.stage
		s.mutex.Unlock()
		s.say(failureLine(stage, cause))
		power.Off()
	})
	select {}
}

func failureLine(stage string, cause error) string {
	if cause == nil {
		cause = errors.New("the boot ended without a hand-over")
	}
	text := strings.Join(strings.Fields(cause.Error()), " ")
	return fmt.Sprintf("banger-agent: boot failed at %s: %s", stage, text)
}

// startOver prints what is wrong with the running kernel and restarts the machine, because the next boot may
// measure the timer right. It does not return.
func (s *sequence) startOver(cause error) {
	s.say("banger-agent: starting over: " + cause.Error())
	power.Restart()
}

// report prints a problem that does not end the boot.
func (s *sequence) report(text string) {
	s.say("banger-agent: " + text)
}

// mark prints, with banger.debug, when a stage ended, by the clock of the kernel's own messages.
func (s *sequence) mark(text string) {
	if !s.options.Debug {
		return
	}
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) == nil {
		s.report(fmt.Sprintf("%.3f s: %s", time.Duration(now.Nano()).Seconds(), text))
	}
}

// say prints a line on the console.
func (s *sequence) say(text string) {
	_, _ = fmt.Fprintln(s.console, text)
}
