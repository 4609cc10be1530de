package confine

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// holdsMap reports whether the call with which the program opens the file that it maps is held: then the log
// keeper answers it with a descriptor that only reads. Otherwise the program may open the file for writing.
func (p *Plan) holdsMap() bool {
	return len(p.Map) == 1 && p.Console != "" && Offered().LandlockABI > 0 && hasNotifications() && !yamaForbids()
}

// yamaForbids reports whether the administrator forbids all processes to inspect others. The log keeper then
// cannot find out which file a held call names.
func yamaForbids() bool {
	scope, err := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope")
	return err == nil && len(scope) > 0 && scope[0] >= '2'
}

// hasNotifications reports whether the kernel can hold calls. A kernel that has Landlock can also add
// descriptors to the process whose call is held.
func hasNotifications() bool {
	action := uint32(unix.SECCOMP_RET_USER_NOTIF)
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&action)))
	return errno == 0
}

// sendListener sends the log keeper the descriptor on which the kernel reports held calls.
func (l *logPipes) sendListener(listener int) error {
	if err := unix.Sendmsg(l.held, []byte{0}, unix.UnixRights(listener), nil, unix.MSG_NOSIGNAL); err != nil {
		return fmt.Errorf("confine: cannot send the descriptor for held calls: %w", err)
	}
	return nil
}
