package ext4

import (
	"errors"
	"fmt"
	"io"
	"math"

	"banger.dev/host/internal/ext4/jbd2"
)

// Features that a reader of an image must know, and those of them that this one does.
const (
	featureFileType = 0x2
	// featureRecover: the newest changes are in the journal only.
	featureRecover    = 0x4
	featureMetaGroups = 0x10
	featureExtents    = 0x40
	feature64Bit      = 0x80
	// The last three are flex_bg, csum_seed and large_dir.
	knownByTheReader = featureFileType | featureRecover | featureMetaGroups | featureExtents | feature64Bit | 0x200 | 0x2000 | 0x4000
)

// Image reads an ext4 file system, whose content may be anything.
type Image struct {
	file io.ReaderAt
	// replay has the blocks whose newest content is in the journal; nil when there are none.
	replay          *jbd2.View
	blockBytes      int64
	inodeBytes      int64
	inodesPerGroup  uint32
	inodes          uint32
	descriptorBytes int64
	descriptors     int64
	firstBlock      uint64
	blocksPerGroup  uint64
	// firstMetaGroup is the first block of descriptors that is in a group of its own.
	firstMetaGroup uint64
	blocks         uint64
	// nodes is how many more blocks of extent trees are read: in an honest image they have a block each.
	nodes uint64
}

// readsOfNodes is how often each block of an extent tree may be read.
const readsOfNodes = 16

func corrupt(format string, args ...any) error {
	return fmt.Errorf("the image is damaged: "+format, args...)
}

// OpenImage reads the superblock. An image that was not unmounted is read as it will be after its journal is
// replayed; nothing is written.
func OpenImage(file io.ReaderAt) (*Image, error) {
	i, features, err := readSuper(file)
	if err != nil || features&featureRecover == 0 {
		return i, err
	}
	journal, err := i.journalBlocks()
	if err != nil {
		return nil, err
	}
	view, err := jbd2.Open(jbd2.FileSystem{File: file, BlockBytes: i.blockBytes, Blocks: i.blocks, Journal: journal})
	if err != nil {
		return nil, err
	}
	before := i.blockBytes
	// The superblock may be in the journal too.
	if i, _, err = readSuper(view); err != nil {
		return nil, err
	}
	if i.blockBytes != before {
		return nil, corrupt("its journal is that of another file system")
	}
	i.replay = view
	return i, nil
}

// journalBlocks returns the blocks of the journal.
func (i *Image) journalBlocks() ([]int64, error) {
	inode, err := i.inodeAt(inodeJournal)
	if err != nil {
		return nil, err
	}
	extents, err := i.extentsOf(inode)
	if err != nil {
		return nil, err
	}
	var blocks []int64
	for _, e := range extents {
		if e.logical != int64(len(blocks)) || e.logical+e.blocks > jbd2.MaxBlocks {
			return nil, corrupt("its journal has holes or no end")
		}
		for at := range e.blocks {
			blocks = append(blocks, e.start+at)
		}
	}
	return blocks, nil
}

// readSuper reads the superblock, and returns which features a reader must know.
func readSuper(file io.ReaderAt) (*Image, uint32, error) {
	super := make([]byte, superBytes)
	if _, err := file.ReadAt(super, superBytes); err != nil {
		return nil, 0, fmt.Errorf("read superblock: %w", err)
	}
	if le.Uint16(super[0x38:]) != 0xEF53 || le.Uint32(super[0x18:]) > 6 {
		return nil, 0, corrupt("it has no superblock")
	}
	features := le.Uint32(super[0x60:])
	if features&^knownByTheReader != 0 || features&featureFileType == 0 {
		return nil, 0, fmt.Errorf("the image has features %#x, which are not known", features)
	}
	i := &Image{
		file:            file,
		blockBytes:      1024 << le.Uint32(super[0x18:]),
		inodeBytes:      int64(le.Uint16(super[0x58:])),
		inodesPerGroup:  le.Uint32(super[0x28:]),
		inodes:          le.Uint32(super[0x00:]),
		descriptorBytes: descriptorBytes,
		firstBlock:      uint64(le.Uint32(super[0x14:])),
		blocksPerGroup:  uint64(le.Uint32(super[0x20:])),
		firstMetaGroup:  math.MaxUint64,
		blocks:          uint64(le.Uint32(super[0x04:])),
	}
	if features&featureMetaGroups != 0 {
		i.firstMetaGroup = uint64(le.Uint32(super[0x104:]))
	}
	if features&feature64Bit != 0 {
		i.descriptorBytes = int64(le.Uint16(super[0xFE:]))
		i.blocks |= uint64(le.Uint32(super[0x150:])) << 32
	}
	i.descriptors = (int64(i.firstBlock) + 1) * i.blockBytes
	if i.inodeBytes < 128 || i.inodeBytes > i.blockBytes || i.inodesPerGroup == 0 || i.blocksPerGroup == 0 ||
		i.descriptorBytes < descriptorBytes || i.descriptorBytes > i.blockBytes {
		return nil, 0, corrupt("its superblock makes no sense")
	}
	i.nodes = readsOfNodes * i.blocks
	return i, features, nil
}

// descriptorAt is where the descriptor of a group is.
func (i *Image) descriptorAt(group int64) int64 {
	inBlock := i.blockBytes / i.descriptorBytes
	if number := uint64(group / inBlock); number >= i.firstMetaGroup {
		// The groups that share a block of descriptors have it in the first of them, after a superblock.
		first := number * uint64(inBlock)
		block := i.firstBlock + first*i.blocksPerGroup
		if hasSuper(first) {
			block++
		}
		return int64(min(block, i.blocks))*i.blockBytes + group%inBlock*i.descriptorBytes
	}
	return i.descriptors + group*i.descriptorBytes
}

// inodeAt returns an inode as it is in the table.
func (i *Image) inodeAt(number uint32) ([]byte, error) {
	if number == 0 || number > i.inodes {
		return nil, corrupt("there is no inode %d", number)
	}
	group, index := int64((number-1)/i.inodesPerGroup), int64((number-1)%i.inodesPerGroup)
	descriptor := make([]byte, i.descriptorBytes)
	if _, err := i.file.ReadAt(descriptor, i.descriptorAt(group)); err != nil {
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
	if err := i.readExtents(inode[0x28:0x64], 5, &found); err != nil {
		return nil, err
	}
	var blocks uint64
	for _, e := range found {
		blocks += uint64(e.blocks)
	}
	if blocks > i.blocks {
		return nil, corrupt("a file has %d blocks, of %d in all", blocks, i.blocks)
	}
	return found, nil
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
			if i.nodes == 0 {
				return corrupt("its extent trees have no end")
			}
			i.nodes--
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
		if uint64(start)+uint64(length) > i.blocks || uint64(len(*found)) > i.blocks {
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
