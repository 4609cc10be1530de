package confine

import (
	"runtime"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// families of sockets that a plan may allow, by name
var families = map[string][]uint32{
	"inet":    {unix.AF_INET, unix.AF_INET6},
	"netlink": {unix.AF_NETLINK},
	"unix":    {unix.AF_UNIX},
}

// Calls that reach beyond the process and that Landlock does not control. io_uring can also create sockets
// without passing this filter; the others are useful only to an attacker.
var deniedCalls = []uint32{
	unix.SYS_IO_URING_SETUP,
	unix.SYS_BPF,
	unix.SYS_PERF_EVENT_OPEN,
	unix.SYS_USERFAULTFD,
	unix.SYS_ADD_KEY,
	unix.SYS_REQUEST_KEY,
	unix.SYS_KEYCTL,
}

// seccomp(2): offsets in struct seccomp_data; little-endian, as both architectures are.
const (
	offsetCall      = 0
	offsetArch      = 4
	offsetFirstArg  = 16
	offsetSecondArg = 24
	offsetThirdArg  = 32
)

// socketTypeMask removes the flags from the type of a socket.
const socketTypeMask = 0xf

// x32Bit marks calls of amd64's x32 interface, which would need a filter of their own.
const x32Bit = 0x40000000

// restrictCalls installs the filter for this thread: it allows only sockets of the allowed families, and none
// of deniedCalls. A program for another architecture is killed at its first call.
func (p *Plan) restrictCalls(logs *logPipes) error {
	var allowed []uint32
	for _, name := range p.Sockets {
		allowed = append(allowed, families[name]...)
	}
	holds := logs != nil && logs.held != 0
	filter := buildFilter(allowed, holds, len(p.Serve) > 0)
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	var flags uintptr
	if holds {
		flags = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER
	}
	result, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&program)))
	runtime.KeepAlive(filter)
	switch {
	case errno == 0 && holds:
		return logs.sendListener(int(result))
	case !holds && (errno == unix.ENOSYS || errno == unix.EINVAL):
		return nil
	case errno != 0:
		return errno
	}
	return nil
}

func buildFilter(allowed []uint32, holdsMap, serves bool) []unix.SockFilter {
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	answer := func(value uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: value}
	}
	// Continues with the next instruction if equal, and else with the one after it.
	ifEqual := func(value uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: value, Jf: 1}
	}
	denied := answer(unix.SECCOMP_RET_ERRNO | uint32(unix.EACCES))
	// ENOSYS, because a program with a fallback then takes the kernel for an old one.
	unknown := answer(unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS))
	permitted := answer(unix.SECCOMP_RET_ALLOW)
	kill := answer(unix.SECCOMP_RET_KILL_PROCESS)

	filter := []unix.SockFilter{
		load(offsetArch),
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: auditArch, Jt: 1},
		kill,
		load(offsetCall),
	}
	if runtime.GOARCH == "amd64" {
		filter = append(filter, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: x32Bit, Jf: 1}, kill)
	}
	for _, call := range deniedCalls {
		filter = append(filter, ifEqual(call), unknown)
	}
	// Each block handles one call and ends the filter; it is skipped for all other calls.
	block := func(call uint32, body ...unix.SockFilter) {
		filter = append(filter, unix.SockFilter{
			Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: call, Jf: uint8(len(body)),
		})
		filter = append(filter, body...)
	}
	sockets := []unix.SockFilter{load(offsetFirstArg)}
	for _, family := range slices.Compact(slices.Sorted(slices.Values(allowed))) {
		sockets = append(sockets, ifEqual(family), permitted)
	}
	if serves && !slices.Contains(allowed, unix.AF_UNIX) {
		// Stream sockets, to listen on: what is sent over one needs a connection, and no call makes one.
		sockets = append(sockets,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.AF_UNIX, Jf: 4},
			load(offsetSecondArg),
			unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: socketTypeMask},
			ifEqual(unix.SOCK_STREAM), permitted)
		filter = append(filter, ifEqual(unix.SYS_CONNECT), denied)
	}
	block(unix.SYS_SOCKET, append(sockets, denied)...)
	if !slices.Contains(allowed, unix.AF_UNIX) {
		// A datagram socket from a pair could be connected to any other socket by path.
		block(unix.SYS_SOCKETPAIR,
			load(offsetSecondArg),
			unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: socketTypeMask},
			ifEqual(unix.SOCK_DGRAM), denied, permitted)
	}
	if holdsMap {
		// QEMU opens only the memory of a guest in this way: without O_CLOEXEC.
		block(unix.SYS_OPENAT, load(offsetThirdArg), ifEqual(unix.O_RDWR), answer(unix.SECCOMP_RET_USER_NOTIF), permitted)
	}
	return append(filter, permitted)
}
