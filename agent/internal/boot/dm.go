package boot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// dmBufferBytes has room for the longest of our tables with its header and strings.
const dmBufferBytes = 4096

// dmRequest is the argument of a device-mapper ioctl (include/uapi/linux/dm-ioctl.h):
//
//	+-------------------+---------------------------------------+
//	| struct dm_ioctl   | table: struct dm_target_spec, params, |
//	| 312 bytes         | NUL, padding to 8; once a target      |
//	+-------------------+---------------------------------------+
type dmRequest struct {
	unix.DmIoctl
	payload [dmBufferBytes - unix.SizeofDmIoctl]byte
}

func newDmRequest(name string, flags uint32) *dmRequest {
	request := &dmRequest{}
	request.Version = [3]uint32{4, 0, 0}
	request.Data_size = dmBufferBytes
	request.Data_start = unix.SizeofDmIoctl
	request.Flags = flags
	copy(request.Name[:unix.DM_NAME_LEN-1], name)
	return request
}

func (r *dmRequest) call(control *os.File, command uintptr) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, control.Fd(), command, uintptr(unsafe.Pointer(r)))
	if errno != 0 {
		return errno
	}
	return nil
}

// setTable puts the targets in the payload.
func (r *dmRequest) setTable(targets []target) error {
	data, err := encodeTable(targets)
	if err != nil {
		return err
	}
	if len(data) > len(r.payload) {
		return errors.New("table is too long")
	}
	copy(r.payload[:], data)
	r.Target_count = uint32(len(targets))
	return nil
}

// encodeTable lays the targets out as the kernel reads them; `Next` is the distance from the start of a
// target to the start of the next one.
func encodeTable(targets []target) ([]byte, error) {
	var table []byte
	for _, t := range targets {
		if len(t.kind) >= unix.DM_MAX_TYPE_NAME {
			return nil, fmt.Errorf("target kind %q is too long", t.kind)
		}
		length := int(roundUp(uint64(unix.SizeofDmTargetSpec+len(t.params)+1), 8))
		spec := unix.DmTargetSpec{Sector_start: t.start, Length: t.length, Next: uint32(length)}
		copy(spec.Target_type[:], t.kind)
		entry := make([]byte, length)
		copy(entry, unsafe.Slice((*byte)(unsafe.Pointer(&spec)), unix.SizeofDmTargetSpec))
		copy(entry[unix.SizeofDmTargetSpec:], t.params)
		table = append(table, entry...)
	}
	return table, nil
}

// dmDevice is a device-mapper device: path is /dev/mapper/<name>, dev "major:minor".
type dmDevice struct{ path, dev string }

// createDmDevice creates and activates the device-mapper device `name`. A failure leaves nothing behind.
func createDmDevice(name string, targets []target) (made dmDevice, err error) {
	control, err := os.OpenFile("/dev/mapper/control", os.O_RDWR, 0)
	if err != nil {
		return made, err
	}
	defer control.Close()
	create := newDmRequest(name, 0)
	if err := create.call(control, unix.DM_DEV_CREATE); err != nil {
		return made, fmt.Errorf("create: %w", err)
	}
	defer func() {
		if err != nil {
			_ = newDmRequest(name, 0).call(control, unix.DM_DEV_REMOVE)
		}
	}()
	load := newDmRequest(name, 0)
	if err := load.setTable(targets); err != nil {
		return made, err
	}
	if err := load.call(control, unix.DM_TABLE_LOAD); err != nil {
		return made, fmt.Errorf("load table: %w", err)
	}
	// A suspend without DM_SUSPEND_FLAG resumes: the loaded table becomes the live one.
	if err := newDmRequest(name, 0).call(control, unix.DM_DEV_SUSPEND); err != nil {
		return made, fmt.Errorf("resume: %w", err)
	}
	if err := checkSnapshot(control, name); err != nil {
		return made, err
	}
	made.path = filepath.Join("/dev/mapper", name)
	made.dev = fmt.Sprintf("%d:%d", unix.Major(create.Dev), unix.Minor(create.Dev))
	return made, linkDmNode(made.path, create.Dev)
}

// allowLargeDiscards lets a device take discards as large as the drives below it do. By default the kernel
// uses the smallest limit of all devices below.
func allowLargeDiscards(device dmDevice) error {
	queue := "/sys/dev/block/" + device.dev + "/queue/"
	largest, err := os.ReadFile(queue + "discard_max_hw_bytes")
	if err != nil {
		return err
	}
	return os.WriteFile(queue+"discard_max_bytes", largest, 0)
}

// checkSnapshot reads the status of the first target. The kernel marks a store that once ran full, or that
// holds something else, and then answers every read with an I/O error.
func checkSnapshot(control *os.File, name string) error {
	status := newDmRequest(name, 0)
	if err := status.call(control, unix.DM_TABLE_STATUS); err != nil {
		return fmt.Errorf("status: %w", err)
	}
	text, _, _ := strings.Cut(string(status.payload[unix.SizeofDmTargetSpec:]), "\x00")
	if text == "Invalid" || text == "Overflow" || text == "Merge failed" {
		return fmt.Errorf("the overlay drive's snapshot store is marked %q", text)
	}
	return nil
}

// linkDmNode creates the name that mount tables show. devtmpfs created only /dev/dm-<minor> when the table
// was loaded.
func linkDmNode(path string, dev uint64) error {
	node := fmt.Sprintf("../dm-%d", unix.Minor(dev))
	if err := os.Symlink(node, path); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}
