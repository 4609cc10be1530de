// Package ext4 mounts writable ext4 file systems.
package ext4

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Fields of the superblock, offsets in bytes (Documentation/filesystems/ext4/super.rst).
const (
	sectorBytes       = 512
	superOffset       = 1024
	superBytes        = 1024
	superBlocksLow    = 0x04
	superLogBlockSize = 0x18
	superInodes       = 0x00
	superFreeInodes   = 0x10
	superMounts       = 0x34
	superMagic        = 0x38
	superIncompatible = 0x60
	superBlocksHigh   = 0x150
	magic             = 0xEF53
	incompatible64    = 0x80
	maxLogBlockSize   = 6
	iocResizeFs       = 0x40086610 // _IOW('f', 16, __u64)
	optionNoZeroing   = "noinit_itable"
)

// fsSize is the size of a file system according to its superblock.
type fsSize struct {
	blockBytes uint64
	blocks     uint64
}

// Mounted is what a file system was when it was mounted.
type Mounted struct {
	// IsNew is true when it was never mounted before.
	IsNew bool
	// Inodes is how many files it had.
	Inodes uint64
}

func parseSuper(super []byte) (fsSize, error) {
	if len(super) < superBytes || binary.LittleEndian.Uint16(super[superMagic:]) != magic {
		return fsSize{}, errors.New("no ext4 file system")
	}
	logSize := binary.LittleEndian.Uint32(super[superLogBlockSize:])
	if logSize > maxLogBlockSize {
		return fsSize{}, fmt.Errorf("ext4 block size 2^%d KiB is not supported", logSize)
	}
	size := fsSize{blockBytes: 1024 << logSize, blocks: uint64(binary.LittleEndian.Uint32(super[superBlocksLow:]))}
	if binary.LittleEndian.Uint32(super[superIncompatible:])&incompatible64 != 0 {
		size.blocks |= uint64(binary.LittleEndian.Uint32(super[superBlocksHigh:])) << 32
	}
	return size, nil
}

// growTo returns the number of blocks that fill a device of `sectors`, or 0 when the file system already
// fills it.
func (s fsSize) growTo(sectors uint64) (uint64, error) {
	fits := sectors / (s.blockBytes / sectorBytes)
	switch {
	case fits < s.blocks:
		return 0, fmt.Errorf("file system of %d bytes is larger than its device of %d bytes: a device may grow, not shrink",
			s.blocks*s.blockBytes, sectors*sectorBytes)
	case fits == s.blocks:
		return 0, nil
	default:
		return fits, nil
	}
}

// Mount mounts a writable file system on a device of so many sectors, and grows it to the end of the device.
//
// The kernel would write zeros over the unused inode tables in the background (lazy_itable_init of mke2fs),
// which would add hundreds of megabytes to the overlay of every VM. It does not need those zeros, so a mount
// option turns that off.
//
// While it mounts, it also does not wait until the host has its writes on its own disk: what it writes then
// says only that the file system is in use. From then on it does, as always.
func Mount(device, at string, sectors uint64) (Mounted, error) {
	// The last one who closes a device makes the kernel forget what it has read.
	fd, err := unix.Open(device, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return Mounted{}, &os.PathError{Op: "open", Path: device, Err: err}
	}
	defer unix.Close(fd)
	size, mounted, err := readSize(fd)
	if err != nil {
		return Mounted{}, fmt.Errorf("%s: %w", device, err)
	}
	blocks, err := size.growTo(sectors)
	if err != nil {
		return Mounted{}, err
	}
	if err := unix.Mount(device, at, "ext4", unix.MS_RELATIME, optionNoZeroing+",barrier=0"); err != nil {
		return Mounted{}, fmt.Errorf("mount %s: %w", device, err)
	}
	if err := unix.Mount("", at, "", unix.MS_REMOUNT|unix.MS_RELATIME, "barrier=1"); err != nil {
		return Mounted{}, fmt.Errorf("have %s flush: %w", device, err)
	}
	if blocks == 0 {
		return mounted, nil
	}
	if err := resize(at, blocks); err != nil {
		return Mounted{}, fmt.Errorf("grow to %d blocks: %w", blocks, err)
	}
	return mounted, nil
}

// readSize uses bare system calls, because package os would register the device with the poller for nothing.
func readSize(fd int) (fsSize, Mounted, error) {
	super := make([]byte, superBytes)
	n, err := unix.Pread(fd, super, superOffset)
	if err != nil {
		return fsSize{}, Mounted{}, fmt.Errorf("read superblock: %w", err)
	}
	size, err := parseSuper(super[:n])
	if err != nil {
		return fsSize{}, Mounted{}, err
	}
	return size, parseMounted(super), nil
}

func parseMounted(super []byte) Mounted {
	all, free := binary.LittleEndian.Uint32(super[superInodes:]), binary.LittleEndian.Uint32(super[superFreeInodes:])
	return Mounted{
		IsNew:  binary.LittleEndian.Uint16(super[superMounts:]) == 0,
		Inodes: uint64(all - min(free, all)),
	}
}

// resize grows the mounted file system, as resize2fs(8) does.
func resize(at string, blocks uint64) error {
	dir, err := os.Open(at)
	if err != nil {
		return err
	}
	defer dir.Close()
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, dir.Fd(), iocResizeFs, uintptr(unsafe.Pointer(&blocks))); errno != 0 {
		return errno
	}
	return nil
}
