package ext4

import (
	"errors"
	"fmt"
	"io"
	"math"
)

// Features that a reader of an image must know, and those of them that this one does.
const (
	featureFileType  = 0x2
	featureExtents   = 0x40
	feature64Bit     = 0x80
	knownByTheReader = featureFileType | featureExtents | feature64Bit | 0x200 | 0x2000 // flex_bg, csum_seed
)

// Image reads an ext4 file system, whose content may be anything.
type Image struct {
	file            io.ReaderAt
	blockBytes      int64
	inodeBytes      int64
	inodesPerGroup  uint32
	inodes          uint32
	descriptorBytes int64
	descriptors     int64
	blocks          uint64
}

func corrupt(format string, args ...any) error {
	return fmt.Errorf("the image is damaged: "+format, args...)
}

// OpenImage reads the superblock.
func OpenImage(file io.ReaderAt) (*Image, error) {
	super := make([]byte, superBytes)
	if _, err := file.ReadAt(super, superBytes); err != nil {
		return nil, fmt.Errorf("read superblock: %w", err)
	}
	if le.Uint16(super[0x38:]) != 0xEF53 || le.Uint32(super[0x18:]) > 6 {
		return nil, corrupt("it has no superblock")
	}
	features := le.Uint32(super[0x60:])
	if features&^knownByTheReader != 0 || features&featureFileType == 0 {
		return nil, fmt.Errorf("the image has features %#x, which are not known", features)
	}
	i := &Image{
		file:            file,
		blockBytes:      1024 << le.Uint32(super[0x18:]),
		inodeBytes:      int64(le.Uint16(super[0x58:])),
		inodesPerGroup:  le.Uint32(super[0x28:]),
		inodes:          le.Uint32(super[0x00:]),
		descriptorBytes: descriptorBytes,
		blocks:          uint64(le.Uint32(super[0x04:])),
	}
	if features&feature64Bit != 0 {
		i.descriptorBytes = int64(le.Uint16(super[0xFE:]))
		i.blocks |= uint64(le.Uint32(super[0x150:])) << 32
	}
	i.descriptors = (int64(le.Uint32(super[0x14:])) + 1) * i.blockBytes
	if i.inodeBytes < 128 || i.inodeBytes > i.blockBytes || i.inodesPerGroup == 0 || i.descriptorBytes < descriptorBytes {
		return nil, corrupt("its superblock makes no sense")
	}
	return i, nil
}

// inodeAt returns an inode as it is in the table.
func (i *Image) inodeAt(number uint32) ([]byte, error) {
	if number == 0 || number > i.inodes {
		return nil, corrupt("there is no inode %d", number)
	}
	group, index := int64((number-1)/i.inodesPerGroup), int64((number-1)%i.inodesPerGroup)
	descriptor := make([]byte, i.descriptorBytes)
	if _, err := i.file.ReadAt(descriptor, i.descriptors+group*i.descriptorBytes); err != nil {
		return nil, fmt.Errorf("read group %d: %w", group, err)
	}
	table := uint64(le.Uint32(descriptor[0x08:]))
	if i.descriptorBytes >= 64 {
		table |= uint64(le.Uint32(descriptor[0x28:])) << 32
	}
	if table >= i.blocks {
		return nil, corrupt("group %d has no inode table", group)
	}
	inode := make([]byte, i.inodeBytes)
	_, err := i.file.ReadAt(inode, int64(table)*i.blockBytes+index*i.inodeBytes)
	return inode, err
}

func sizeOf(inode []byte) int64 {
	size := uint64(le.Uint32(inode[0x04:])) | uint64(le.Uint32(inode[0x6C:]))<<32
	return int64(min(size, math.MaxInt64))
}

// extent is a range of a file's blocks. Those that only have room, but no content, are left out.
type extent struct{ logical, start, blocks int64 }

// extentsOf returns the extents of an inode, which are in order.
func (i *Image) extentsOf(inode []byte) ([]extent, error) {
	if le.Uint32(inode[0x20:])&flagExtents == 0 {
		if sizeOf(inode) == 0 {
			return nil, nil
		}
		return nil, errors.New("the image has a file without extents, which is not supported")
	}
	var found []extent
	err := i.readExtents(inode[0x28:0x64], 5, &found)
	return found, err
}

func (i *Image) readExtents(node []byte, deepest int, found *[]extent) error {
	entries, depth := int(le.Uint16(node[2:])), int(le.Uint16(node[6:]))
	if le.Uint16(node) != extentMagic || (entries+1)*extentEntryBytes > len(node) || depth > deepest {
		return corrupt("an extent tree makes no sense")
	}
	for at := range entries {
		entry := node[(at+1)*extentEntryBytes:]
		logical := int64(le.Uint32(entry))
		if last := len(*found) - 1; last >= 0 && logical < (*found)[last].logical+(*found)[last].blocks {
			return corrupt("extents overlap")
		}
		if depth > 0 {
			block := make([]byte, i.blockBytes)
			start := int64(le.Uint32(entry[4:])) | int64(le.Uint16(entry[8:]))<<32
			if _, err := i.file.ReadAt(block, start*i.blockBytes); err != nil {
				return fmt.Errorf("read an extent tree: %w", err)
			}
			if err := i.readExtents(block, depth-1, found); err != nil {
				return err
			}
			continue
		}
		length := int64(le.Uint16(entry[4:]))
		if length > maxExtentBlocks {
			continue
		}
		start := int64(le.Uint32(entry[8:])) | int64(le.Uint16(entry[6:]))<<32
		if uint64(start)+uint64(length) > i.blocks {
			return corrupt("an extent is outside of it")
		}
		*found = append(*found, extent{logical, start, length})
	}
	return nil
}

// contentOf returns the content of a file or folder.
func (i *Image) contentOf(inode []byte) (io.Reader, error) {
	extents, err := i.extentsOf(inode)
	if err != nil {
		return nil, err
	}
	var parts []io.Reader
	size, at := sizeOf(inode), int64(0)
	hole := func(until int64) {
		if until > at {
			parts = append(parts, io.LimitReader(zeroReader{}, until-at))
			at = until
		}
	}
	for _, e := range extents {
		hole(min(e.logical*i.blockBytes, size))
		length := min(e.blocks*i.blockBytes, size-at)
		if length <= 0 {
			break
		}
		parts = append(parts, io.NewSectionReader(i.file, e.start*i.blockBytes, length))
		at += length
	}
	hole(size)
	return io.MultiReader(parts...), nil
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
