package keeplog

import (
	"bytes"
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// memory is the file with a saved guest's memory. QEMU before 8.2 can only open it for writing, although it
// maps it privately. The kernel holds that call until this process answers it with a read-only descriptor; it
// lets other held calls continue unchanged.
type memory struct {
	path string
	file int
	// connection over which the listener arrives
	control int
	// descriptor on which the kernel reports held calls; negative before it has arrived
	listener int
}

// seccomp(2): the structures of its notifications.
type (
	notification struct {
		id    uint64
		pid   uint32
		flags uint32
		data  struct {
			call         int32
			architecture uint32
			instruction  uint64
			arguments    [6]uint64
		}
	}
	answer struct {
		id    uint64
		value int64
		errno int32
		flags uint32
	}
	addition struct {
		id       uint64
		flags    uint32
		source   uint32
		target   uint32
		newFlags uint32
	}
)

// ioctl(2) numbers of seccomp(2), which are the same for both architectures.
const (
	receiveNotification = 0xc0502100
	sendAnswer          = 0xc0182101
	addDescriptor       = 0x40182103
)

func openMemory(path string, control int) (*memory, error) {
	file, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot read %q: %w", path, err)
	}
	return &memory{path: path, file: file, control: control, listener: -1}, nil
}

// serve handles what is ready: the arrival of the listener, or a held call. It returns the descriptor to wait
// for next, which is negative when there is none left.
func (m *memory) serve() (next int, err error) {
	if m.listener < 0 {
		m.listener, err = receiveDescriptor(m.control)
		unix.Close(m.control)
		return m.listener, err
	}
	var held notification
	switch err := control(m.listener, receiveNotification, unsafe.Pointer(&held)); err {
	case nil:
		return m.listener, m.answer(&held)
	case unix.EINTR, unix.ENOENT:
		// The held call has been interrupted.
		return m.listener, nil
	default:
		return -1, fmt.Errorf("cannot receive a held call: %w", err)
	}
}

func (m *memory) answer(held *notification) error {
	reply := answer{id: held.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
	var err error
	if m.isMeant(held) {
		var number int
		number, err = m.give(held.id)
		reply.value, reply.flags = int64(number), 0
		if err != nil {
			reply.value, reply.errno = 0, -int32(unix.EACCES)
		}
	}
	if sent := control(m.listener, sendAnswer, unsafe.Pointer(&reply)); sent != nil && sent != unix.ENOENT {
		err = errors.Join(err, sent)
	}
	return err
}

// isMeant reports whether the call names the memory's file. The program may change the name after this check,
// but then the kernel opens only what the wall allows.
func (m *memory) isMeant(held *notification) bool {
	wanted := append([]byte(m.path), 0)
	found := make([]byte, len(wanted))
	local := []unix.Iovec{{Base: &found[0], Len: uint64(len(found))}}
	// The second argument of openat(2).
	remote := []unix.RemoteIovec{{Base: uintptr(held.data.arguments[1]), Len: len(found)}}
	count, err := unix.ProcessVMReadv(int(held.pid), local, remote, 0)
	return err == nil && bytes.Equal(found[:count], wanted)
}

// give adds the memory's descriptor to the program whose call is held, and returns its number there.
func (m *memory) give(id uint64) (int, error) {
	request := addition{id: id, source: uint32(m.file), newFlags: unix.O_CLOEXEC}
	number, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(m.listener), addDescriptor, uintptr(unsafe.Pointer(&request)))
	if errno != 0 {
		return 0, fmt.Errorf("cannot give the program the saved memory: %w", errno)
	}
	return int(number), nil
}

func control(descriptor int, request uintptr, argument unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(descriptor), request, uintptr(argument)); errno != 0 {
		return errno
	}
	return nil
}

// receiveDescriptor receives one descriptor over a connection.
func receiveDescriptor(connection int) (int, error) {
	room := make([]byte, unix.CmsgSpace(4))
	_, count, _, _, err := unix.Recvmsg(connection, make([]byte, 1), room, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("cannot receive a descriptor: %w", err)
	}
	messages, err := unix.ParseSocketControlMessage(room[:count])
	if err != nil || len(messages) != 1 {
		return -1, errors.New("the message has no descriptor")
	}
	descriptors, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(descriptors) != 1 {
		return -1, errors.New("the message has no descriptor")
	}
	return descriptors[0], nil
}
