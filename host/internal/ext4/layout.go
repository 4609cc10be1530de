package ext4

import "fmt"

const (
	blockBytes     = 4096
	blocksPerGroup = 8 * blockBytes
	inodeBytes     = 256
	// inodesPerGroup is one inode for each 16 KiB, as mke2fs has it.
	inodesPerGroup   = 8192
	tableBlocks      = inodesPerGroup * inodeBytes / blockBytes
	groupsPerFlex    = 16
	descriptorBytes  = 32
	maxImageBytes    = 1 << 44
	leastGroupBlocks = 50
	// leastJournalBlocks is the smallest journal that the kernel accepts.
	leastJournalBlocks = 1024
)

// layout is where metadata is, for a file system of a size.
type layout struct {
	blocks uint64
	groups uint64
	// descriptorBlocks is the size of the group descriptor table.
	descriptorBlocks uint64
	journalBlocks    uint64
}

// planLayout lays out a file system of at most size bytes.
func planLayout(size, maxJournalBytes int64) (layout, error) {
	if size%blockBytes != 0 || size < 16<<20 || size > maxImageBytes {
		return layout{}, fmt.Errorf("%d bytes is not a multiple of %d from 16 MiB to 16 TiB", size, blockBytes)
	}
	// Block numbers have 32 bits.
	blocks := min(uint64(size)/blockBytes, 1<<32-1)
	l := layoutOf(blocks)
	// A last group that has hardly room for more than its own metadata is left out, as mke2fs does.
	last := l.groups - 1
	if l.end(last)-l.start(last) < l.reserved(last)+leastGroupBlocks {
		l = layoutOf(l.start(last))
	}
	if maxJournalBytes > 0 {
		l.journalBlocks = min(l.journalBlocks, max(uint64(maxJournalBytes)/blockBytes, leastJournalBlocks))
	}
	return l, nil
}

func layoutOf(blocks uint64) layout {
	groups := (blocks + blocksPerGroup - 1) / blocksPerGroup
	return layout{
		blocks:           blocks,
		groups:           groups,
		descriptorBlocks: (groups*descriptorBytes + blockBytes - 1) / blockBytes,
		journalBlocks:    journalBlocks(blocks),
	}
}

// journalBlocks is what mke2fs chooses for a file system of that many blocks.
func journalBlocks(blocks uint64) uint64 {
	for _, size := range []struct{ below, journal uint64 }{
		{32 << 10, 1 << 10}, {256 << 10, 4 << 10}, {512 << 10, 8 << 10}, {4 << 20, 16 << 10},
		{8 << 20, 32 << 10}, {16 << 20, 64 << 10}, {32 << 20, 128 << 10},
	} {
		if blocks < size.below {
			return size.journal
		}
	}
	return 256 << 10
}

func (l layout) start(group uint64) uint64 { return group * blocksPerGroup }

func (l layout) end(group uint64) uint64 { return min((group+1)*blocksPerGroup, l.blocks) }

// hasSuper reports whether a group has a copy of the superblock and the descriptors (sparse_super).
func hasSuper(group uint64) bool {
	if group <= 1 {
		return true
	}
	for _, base := range []uint64{3, 5, 7} {
		power := base
		for power < group {
			power *= base
		}
		if power == group {
			return true
		}
	}
	return false
}

func (l layout) superBlocks(group uint64) uint64 {
	if hasSuper(group) {
		return 1 + l.descriptorBlocks
	}
	return 0
}

// reserved is how many blocks at the start of a group are not for files.
func (l layout) reserved(group uint64) uint64 {
	blocks := l.superBlocks(group)
	if group%groupsPerFlex == 0 {
		blocks += l.flexGroups(group) * (2 + tableBlocks)
	}
	return blocks
}

// flexGroups is the number of groups whose metadata is in the first of them.
func (l layout) flexGroups(first uint64) uint64 { return min(groupsPerFlex, l.groups-first) }

// metadata is where the block bitmap, the inode bitmap and the inode table of a group are.
func (l layout) metadata(group uint64) (blockBitmap, inodeBitmap, table uint64) {
	first := group - group%groupsPerFlex
	count, index := l.flexGroups(first), group-first
	at := l.start(first) + l.superBlocks(first)
	return at + index, at + count + index, at + 2*count + index*tableBlocks
}
