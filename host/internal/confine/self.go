package confine

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Self puts the wall around this process itself: from now on it may read these files, write those of these
// folders, and create sockets of these families only. What it has open stays usable. A kernel that lacks a
// wall has one less.
func Self(read, write, sockets []string) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("cannot forbid new privileges: %w", err)
	}
	plan := Plan{Read: read, Write: write, Sockets: sockets}
	if err := plan.restrictFiles(); err != nil {
		return fmt.Errorf("Landlock refuses the rules: %w", err)
	}
	var allowed []uint32
	for _, name := range sockets {
		allowed = append(allowed, families[name]...)
	}
	filter := buildFilter(allowed, false, false)
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	// All threads of the process, because the scheduler may run any goroutine on any of them.
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	runtime.KeepAlive(filter)
	if errno != 0 && errno != unix.ENOSYS && errno != unix.EINVAL {
		return fmt.Errorf("seccomp refuses the filter: %w", errno)
	}
	return nil
}
