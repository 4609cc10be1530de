package confine

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Run becomes the program: same process, same session, same descriptors 0 to 2. It returns only when that
// fails; then nothing has run, and a socket file that was made is left for the caller to remove.
func (p *Plan) Run() error {
	// A seccomp filter belongs to one thread, and the thread that executes is the one that stays.
	runtime.LockOSThread()
	unix.Umask(0o077)
	sockets, err := p.makeSockets()
	if err != nil {
		return err
	}
	if !p.KeepsDescriptors {
		// The process that writes the logs must not keep open what the caller has open, such as a pipe that
		// somebody reads.
		if err := closeOnExecFrom(firstOwn); err != nil {
			return err
		}
	}
	logs, err := p.startKeeper()
	if err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("confine: cannot give up new privileges: %w", err)
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
