package process

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ttyGroup is the number of the group "tty" on every distribution.
const ttyGroup = 5

// ends holds both sides of a command's standard streams. The agent's sides are non-blocking, for Go's poller;
// the command's are not.
type ends struct {
	child                 [3]uintptr
	stdin, stdout, stderr *os.File
}

func openEnds(terminal *Terminal, account Account) (*ends, error) {
	if terminal != nil {
		return openTerminal(*terminal, account)
	}
	e := &ends{}
	for i, ours := range []**os.File{&e.stdin, &e.stdout, &e.stderr} {
		var fds [2]int
		if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
			e.closeChild()
			e.closeOurs()
			return nil, fmt.Errorf("pipe: %w", err)
		}
		mine, childs := 0, 1
		if i == 0 {
			mine, childs = 1, 0
		}
		e.child[i] = uintptr(fds[childs])
		unix.FcntlInt(uintptr(fds[mine]), unix.F_SETFL, unix.O_NONBLOCK)
		*ours = os.NewFile(uintptr(fds[mine]), "pipe")
	}
	return e, nil
}

// openTerminal opens a pseudo-terminal that belongs to the account, as after a login.
func openTerminal(terminal Terminal, account Account) (*ends, error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open a terminal: %w", err)
	}
	master := os.NewFile(uintptr(fd), "pty")
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot unlock a terminal: %w", err), master.Close())
	}
	// Not by a name under /dev/pts, because another file system may be mounted there in this process.
	peer, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		return nil, errors.Join(fmt.Errorf("cannot open a terminal's other side: %w", errno), master.Close())
	}
	e := &ends{child: [3]uintptr{peer, peer, peer}, stdin: master, stdout: master}
	err = setSize(fd, terminal.Rows, terminal.Cols)
	if err == nil && os.Geteuid() == 0 {
		err = errors.Join(unix.Fchown(int(peer), int(account.UID), ttyGroup), unix.Fchmod(int(peer), 0o620))
	}
	if err != nil {
		e.closeChild()
		e.closeOurs()
		return nil, fmt.Errorf("cannot set up a terminal: %w", err)
	}
	return e, nil
}

func setSize(fd int, rows, cols uint16) error {
	return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols})
}

// closeChild closes the command's sides. The command has its own copies once it has started.
func (e *ends) closeChild() {
	closed := uintptr(0)
	for _, fd := range e.child {
		if fd != 0 && fd != closed {
			unix.Close(int(fd))
			closed = fd
		}
	}
}

func (e *ends) closeOurs() {
	for _, file := range []*os.File{e.stdin, e.stdout, e.stderr} {
		if file != nil {
			// A terminal is in the list twice; closing it again does nothing.
			file.Close()
		}
	}
}
