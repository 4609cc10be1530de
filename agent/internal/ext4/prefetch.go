package ext4

import (
	"encoding/binary"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// More fields of the superblock, and those of a group descriptor.
const (
	superBlocksPerGroup = 0x20
	superDescriptorSize = 0xFE
	leastDescriptor     = 32
	groupFoldersLow     = 0x10
	groupFoldersHigh    = 0x30
)

const (
	// maxGroups bounds what is read of a large file system: its first 128 GiB.
	maxGroups = 1024
	// fewFolders are found about as fast without reading ahead.
	fewFolders = 64
	// maxPrefetch bounds the memory that this takes in the guest.
	maxPrefetch = 64 << 20
	// prefetchStep is what the kernel reads ahead at least for one call.
	prefetchStep = 128 << 10
	iocFiemap    = 0xC020660B // _IOWR('f', 11, struct fiemap)
)

// PrefetchFolders has the kernel read the folders of the file system that is mounted at a folder from its
// device. The images of the host's banger-host have them one after the other, behind those of the top folder.
// A program that looks at all files, such as git status, otherwise waits for a read of the disk for each
// folder, which takes an emulated guest seconds in a large tree. If they are elsewhere, it reads something
// that nobody needs, of the same size.
func PrefetchFolders(device *os.File, at string) error {
	count, err := countFolders(int(device.Fd()))
	if err != nil || count.folders < fewFolders {
		return err
	}
	start, err := firstByteOf(at)
	if err != nil {
		return err
	}
	// Some folders have several blocks.
	return readAhead(int(device.Fd()), start, min(count.folders*5/4*count.blockBytes, maxPrefetch))
}

// readAhead begins to read a range of a file; the kernel would only read the beginning of a long one.
func readAhead(fd int, start, length uint64) error {
	for done := uint64(0); done < length; done += prefetchStep {
		if err := unix.Fadvise(fd, int64(start+done), prefetchStep, unix.FADV_WILLNEED); err != nil {
			return fmt.Errorf("read ahead: %w", err)
		}
	}
	return nil
}

// folderCount is the number of folders of a file system.
type folderCount struct {
	folders    uint64
	blockBytes uint64
}

func countFolders(fd int) (folderCount, error) {
	super := make([]byte, superBytes)
	n, err := unix.Pread(fd, super, superOffset)
	if err != nil {
		return folderCount{}, fmt.Errorf("read superblock: %w", err)
	}
	size, err := parseSuper(super[:n])
	if err != nil {
		return folderCount{}, err
	}
	descriptorBytes := leastDescriptor
	if binary.LittleEndian.Uint32(super[superIncompatible:])&incompatible64 != 0 {
		descriptorBytes = int(binary.LittleEndian.Uint16(super[superDescriptorSize:]))
	}
	perGroup := uint64(binary.LittleEndian.Uint32(super[superBlocksPerGroup:]))
	if perGroup == 0 || descriptorBytes < leastDescriptor || uint64(descriptorBytes) > size.blockBytes {
		return folderCount{}, fmt.Errorf("its superblock makes no sense")
	}
	groups := min((size.blocks+perGroup-1)/perGroup, maxGroups)
	// The descriptors follow the block with the superblock.
	table := make([]byte, groups*uint64(descriptorBytes))
	at := max(size.blockBytes, superOffset+superBytes)
	if n, err = unix.Pread(fd, table, int64(at)); err != nil {
		return folderCount{}, fmt.Errorf("read group descriptors: %w", err)
	}
	return folderCount{foldersIn(table[:n], descriptorBytes), size.blockBytes}, nil
}

// foldersIn adds up the folders of the groups in a table of descriptors.
func foldersIn(table []byte, descriptorBytes int) uint64 {
	var folders uint64
	for ; len(table) >= descriptorBytes; table = table[descriptorBytes:] {
		folders += uint64(binary.LittleEndian.Uint16(table[groupFoldersLow:]))
		if descriptorBytes >= groupFoldersHigh+2 {
			folders += uint64(binary.LittleEndian.Uint16(table[groupFoldersHigh:])) << 16
		}
	}
	return folders
}

// fiemap is struct fiemap of linux/fiemap.h with room for one extent.
type fiemap struct {
	start, length                        uint64
	flags, mapped, extents, _            uint32
	logical, physical, extentBytes, _, _ uint64
	extentFlags, _, _, _                 uint32
}

// firstByteOf returns where on its device the content of a folder begins.
func firstByteOf(folder string) (uint64, error) {
	dir, err := os.Open(folder)
	if err != nil {
		return 0, err
	}
	defer dir.Close()
	request := fiemap{length: 1, extents: 1}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, dir.Fd(), iocFiemap, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return 0, fmt.Errorf("find %s on its device: %w", folder, errno)
	}
	if request.mapped == 0 {
		return 0, fmt.Errorf("find %s on its device: it has no blocks", folder)
	}
	return request.physical, nil
}
