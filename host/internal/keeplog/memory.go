package keeplog

import (
	"bytes"
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// memory is the file of a saved guest's memory, for a program that opens it as if to write and maps it for
// itself. Before 8.2 QEMU can do no other. Its call is held until it is answered here with a descriptor that
// only reads; other calls that are held go on as they are.
type memory struct {
	path string
	file int
	// connection over which the descriptor comes that the held call is told on
	control int
	// that descriptor; below 0 before it has come
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

// serve does what the descriptor that is ready is there for; it returns the one to wait for, below 0 when
// there is none any more.
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
		// Who was held has been interrupted.
		return m.listener, nil
	default:
		return -1, fmt.Errorf("cannot learn which call is held: %w", err)
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

// isMeant says whether the call names our file. The name may change behind our back: then the kernel opens
// what it names, as far as the wall allows that.
func (m *memory) isMeant(held *notification) bool {
	wanted := append([]byte(m.path), 0)
	found := make([]byte, len(wanted))
	local := []unix.Iovec{{Base: &found[0], Len: uint64(len(found))}}
	// The second argument of openat(2).
	remote := []unix.RemoteIovec{{Base: uintptr(held.data.arguments[1]), Len: len(found)}}
	count, err := unix.ProcessVMReadv(int(held.pid), local, remote, 0)
	return err == nil && bytes.Equal(found[:count], wanted)
}

// give adds our descriptor to the program that is held, and returns its number there.
func (m *memory) give(id uint64) (int, error) {
	request := addition{id: id, source: uint32(m.file), newFlags: unix.O_CLOEXEC}
	number, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(m.listener), addDescriptor, uintptr(unsafe.Pointer(&request)))
	if errno != 0 {
		return 0, fmt.Errorf("cannot give the memory: %w", errno)
	}
	return int(number), nil
}

func control(descriptor int, request uintptr, argument unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(descriptor), request, uintptr(argument)); errno != 0 {
		return errno
	}
	return nil
}

// receiveDescriptor takes the one descriptor that comes over a connection.
func receiveDescriptor(connection int) (int, error) {
	room := make([]byte, unix.CmsgSpace(4))
	_, count, _, _, err := unix.Recvmsg(connection, make([]byte, 1), room, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("cannot receive a descriptor: %w", err)
	}
	messages, err := unix.ParseSocketControlMessage(room[:count])
	if err != nil || len(messages) != 1 {
		return -1, errors.New("no descriptor has come")
	}
	descriptors, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(descriptors) != 1 {
		return -1, errors.New("no descriptor has come")
	}
	return descriptors[0], nil
}
