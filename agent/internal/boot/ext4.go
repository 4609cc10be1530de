package boot

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
	superOffset         = 1024
	superBytes          = 1024
	superBlocksLow      = 0x04
	superLogBlockSize   = 0x18
	superMagic          = 0x38
	superIncompatible   = 0x60
	superBlocksHigh     = 0x150
	ext4Magic           = 0xEF53
	ext4Incompatible64  = 0x80
	maxLogBlockSize     = 6
	ext4IocResizeFs     = 0x40086610 // _IOW('f', 16, __u64)
	ext4OptionNoZeroing = "noinit_itable"
)

// ext4Size is the size of a file system according to its superblock.
type ext4Size struct {
	blockBytes uint64
	blocks     uint64
}

func parseExt4Super(super []byte) (ext4Size, error) {
	if len(super) < superBytes || binary.LittleEndian.Uint16(super[superMagic:]) != ext4Magic {
		return ext4Size{}, errors.New("no ext4 file system")
	}
	logSize := binary.LittleEndian.Uint32(super[superLogBlockSize:])
	if logSize > maxLogBlockSize {
		return ext4Size{}, fmt.Errorf("ext4 block size 2^%d KiB is not supported", logSize)
	}
	size := ext4Size{blockBytes: 1024 << logSize, blocks: uint64(binary.LittleEndian.Uint32(super[superBlocksLow:]))}
	if binary.LittleEndian.Uint32(super[superIncompatible:])&ext4Incompatible64 != 0 {
		size.blocks |= uint64(binary.LittleEndian.Uint32(super[superBlocksHigh:])) << 32
	}
	return size, nil
}

// growTo returns the number of blocks that fill a device of `sectors`, or 0 when the file system already
// fills it.
func (s ext4Size) growTo(sectors uint64) (uint64, error) {
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

// mountExt4 mounts a writable file system and grows it to the end of its device.
//
// The kernel would write zeros over the unused inode tables in the background (lazy_itable_init of mke2fs),
// which would add hundreds of megabytes to the overlay of every VM. It does not need those zeros, so a mount
// option turns that off.
func mountExt4(device, at string, sectors uint64) error {
	size, err := readExt4Size(device)
	if err != nil {
		return err
	}
	blocks, err := size.growTo(sectors)
	if err != nil {
		return err
	}
	if err := unix.Mount(device, at, "ext4", unix.MS_RELATIME, ext4OptionNoZeroing); err != nil {
		return fmt.Errorf("mount %s: %w", device, err)
	}
	if blocks == 0 {
		return nil
	}
	if err := resizeExt4(at, blocks); err != nil {
		return fmt.Errorf("grow to %d blocks: %w", blocks, err)
	}
	return nil
}

func readExt4Size(device string) (ext4Size, error) {
	file, err := os.Open(device)
	if err != nil {
		return ext4Size{}, err
	}
	defer file.Close()
	super := make([]byte, superBytes)
	if _, err := io.ReadFull(io.NewSectionReader(file, superOffset, superBytes), super); err != nil {
		return ext4Size{}, fmt.Errorf("read superblock: %w", err)
	}
	return parseExt4Super(super)
}

// resizeExt4 grows the mounted file system, as resize2fs(8) does.
func resizeExt4(at string, blocks uint64) error {
	dir, err := os.Open(at)
	if err != nil {
		return err
	}
	defer dir.Close()
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, dir.Fd(), ext4IocResizeFs, uintptr(unsafe.Pointer(&blocks))); errno != 0 {
		return errno
	}
	return nil
}
