package confine

import (
	"runtime"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// families of sockets that a confined program may be allowed to make, by name
var families = map[string][]uint32{
	"inet":    {unix.AF_INET, unix.AF_INET6},
	"netlink": {unix.AF_NETLINK},
	"unix":    {unix.AF_UNIX},
}

// Calls that reach beyond the process and that no rule of Landlock sees. io_uring makes sockets too, past
// this filter; the others are of use to an attacker only.
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

// socketTypeMask takes the flags off the type of a socket.
const socketTypeMask = 0xf

// x32Bit marks the calls of amd64's other interface, which would need a filter of their own.
const x32Bit = 0x40000000

// restrictCalls installs the filter for this thread: sockets of the allowed families only, and none of
// deniedCalls. A program for another architecture is killed at its first call.
func (p *Plan) restrictCalls(logs *logPipes) error {
	var allowed []uint32
	for _, name := range p.Sockets {
		allowed = append(allowed, families[name]...)
	}
	holds := logs != nil && logs.held != 0
	filter := buildFilter(allowed, holds)
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

func buildFilter(allowed []uint32, holdsMap bool) []unix.SockFilter {
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	answer := func(value uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: value}
	}
	// The next instruction when equal, else the one behind it.
	ifEqual := func(value uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: value, Jf: 1}
	}
	denied := answer(unix.SECCOMP_RET_ERRNO | uint32(unix.EACCES))
	// ENOSYS: a program that can do without takes it for an old kernel.
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
	// Each block jumps over itself when another call is made, and ends the filter otherwise.
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
	block(unix.SYS_SOCKET, append(sockets, denied)...)
	if !slices.Contains(allowed, unix.AF_UNIX) {
		// One of a pair of datagram sockets can be connected to any other socket by its path.
		block(unix.SYS_SOCKETPAIR,
			load(offsetSecondArg),
			unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: socketTypeMask},
			ifEqual(unix.SOCK_DGRAM), denied, permitted)
	}
	if holdsMap {
		// How QEMU opens the memory of a guest, and nothing else: without O_CLOEXEC.
		block(unix.SYS_OPENAT, load(offsetThirdArg), ifEqual(unix.O_RDWR), answer(unix.SECCOMP_RET_USER_NOTIF), permitted)
	}
	return append(filter, permitted)
}
