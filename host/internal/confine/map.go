package confine

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// holdsMap says whether the program is given the file that it maps, to read: the process that writes its logs
// answers the call that would open it. Otherwise the program may open it to write.
func (p *Plan) holdsMap() bool {
	return len(p.Map) == 1 && p.Console != "" && Offered().LandlockABI > 0 && hasNotifications() && !yamaForbids()
}

// yamaForbids says whether the administrator lets no process look at another: then nobody learns which file a
// held call names.
func yamaForbids() bool {
	scope, err := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope")
	return err == nil && len(scope) > 0 && scope[0] >= '2'
}

// hasNotifications asks whether calls can be held. A kernel that has Landlock can also add descriptors to who
// is held.
func hasNotifications() bool {
	action := uint32(unix.SECCOMP_RET_USER_NOTIF)
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&action)))
	return errno == 0
}

// sendListener gives the process that writes the logs the descriptor on which held calls are told.
func (l *logPipes) sendListener(listener int) error {
	if err := unix.Sendmsg(l.held, []byte{0}, unix.UnixRights(listener), nil, unix.MSG_NOSIGNAL); err != nil {
		return fmt.Errorf("confine: cannot give away the descriptor of held calls: %w", err)
	}
	return nil
}
