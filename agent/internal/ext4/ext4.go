// Package ext4 mounts writable ext4 file systems.
package ext4

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
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
func Mount(device, at string, sectors uint64) error {
	size, err := readSize(device)
	if err != nil {
		return err
	}
	blocks, err := size.growTo(sectors)
	if err != nil {
		return err
	}
	if err := unix.Mount(device, at, "ext4", unix.MS_RELATIME, optionNoZeroing); err != nil {
		return fmt.Errorf("mount %s: %w", device, err)
	}
	if blocks == 0 {
		return nil
	}
	if err := resize(at, blocks); err != nil {
		return fmt.Errorf("grow to %d blocks: %w", blocks, err)
	}
	return nil
}

func readSize(device string) (fsSize, error) {
	file, err := os.Open(device)
	if err != nil {
		return fsSize{}, err
	}
	defer file.Close()
	super := make([]byte, superBytes)
	if _, err := io.ReadFull(io.NewSectionReader(file, superOffset, superBytes), super); err != nil {
		return fsSize{}, fmt.Errorf("read superblock: %w", err)
	}
	return parseSuper(super)
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
