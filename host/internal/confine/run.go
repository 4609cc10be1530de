package confine

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Run replaces this process by the program, in the same session and with the same descriptors 0 to 2. It
// returns only when that fails: then nothing has run, and the caller has to remove any socket file that was
// created.
func (p *Plan) Run() error {
	// A seccomp filter applies to one thread. exec keeps only the calling thread, so that must be the one
	// with the filter.
	runtime.LockOSThread()
	unix.Umask(0o077)
	sockets, err := p.makeSockets()
	if err != nil {
		return err
	}
	if !p.KeepsDescriptors {
		// The log keeper must not inherit the caller's descriptors, such as a pipe whose reader waits for its
		// end.
		if err := closeOnExecFrom(firstOwn); err != nil {
			return err
		}
	}
	logs, err := p.startKeeper()
	if err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("confine: cannot forbid new privileges: %w", err)
	}
	if err := p.restrictFiles(); err != nil {
		return fmt.Errorf("confine: Landlock refuses the rules: %w", err)
	}
	if !p.KeepsDescriptors {
		if err := keepDescriptors(sockets, logs); err != nil {
			return err
		}
	}
	if err := p.restrictCalls(logs); err != nil {
		return fmt.Errorf("confine: seccomp refuses the filter: %w", err)
	}
	err = unix.Exec(p.Argv[0], p.Argv, os.Environ())
	return fmt.Errorf("confine: cannot run %q: %w", p.Argv[0], err)
}
