package ext4

import "slices"

const (
	groupInodesUnused  = 1
	groupBlocksUnused  = 2
	groupInodesZeroed  = 4
	compatible         = 0x4 | 0x8 | 0x20                      // has_journal, ext_attr, dir_index
	incompatible       = 0x2 | 0x40 | 0x200                    // filetype, extent, flex_bg
	readOnlyCompatible = 0x1 | 0x2 | 0x8 | 0x20 | 0x40 | 0x400 // sparse_super, large_file, huge_file, dir_nlink, extra_isize, metadata_csum
)

// writeGroups writes the bitmaps, the descriptors and the superblock, and all copies of the latter two.
func (w *Writer) writeGroups() error {
	descriptors := make([]byte, w.layout.descriptorBlocks*blockBytes)
	var freeBlocks, freeInodes uint64
	for group := range w.layout.groups {
		used, inodes := w.blocks.used(group), w.inodes.used(group)
		freeBlocks += w.layout.end(group) - w.layout.start(group) - used
		freeInodes += inodesPerGroup - inodes
		descriptor := descriptors[group*descriptorBytes:][:descriptorBytes]
		if err := w.writeGroup(group, descriptor, used, inodes); err != nil {
			return err
		}
	}
	super := w.super(freeBlocks, freeInodes)
	for group := range w.layout.groups {
		if !hasSuper(group) {
			continue
		}
		block := make([]byte, blockBytes)
		// The first one leaves room for a boot loader.
		at := block[:superBytes]
		if group == 0 {
			at = block[superBytes : 2*superBytes]
		}
		copy(at, super)
		le.PutUint16(at[0x5A:], uint16(group))
		le.PutUint32(at[superBytes-4:], crc32c(^uint32(0), at[:superBytes-4]))
		if err := w.out.writeBlock(w.layout.start(group), block); err != nil {
			return err
		}
		if err := w.out.writeBlock(w.layout.start(group)+1, descriptors); err != nil {
			return err
		}
	}
	return nil
}

// writeGroup writes the bitmaps of a group and fills in its descriptor. Bitmaps of a group in which nothing
// is used remain holes: the kernel makes them when it needs them.
func (w *Writer) writeGroup(group uint64, descriptor []byte, used, inodes uint64) error {
	size := w.layout.end(group) - w.layout.start(group)
	blockBitmap, inodeBitmap, table := w.layout.metadata(group)
	flags := uint16(groupInodesZeroed)
	isLast := group == w.layout.groups-1
	if used == w.layout.superBlocks(group) && !isLast {
		flags |= groupBlocksUnused
	} else {
		bitmap := firstOnes(used, size)
		le.PutUint16(descriptor[0x18:], uint16(crc32c(w.seed, bitmap)))
		if err := w.out.writeBlock(blockBitmap, bitmap); err != nil {
			return err
		}
	}
	if inodes == 0 {
		flags |= groupInodesUnused
	} else {
		bitmap := firstOnes(inodes, inodesPerGroup)
		le.PutUint16(descriptor[0x1A:], uint16(crc32c(w.seed, bitmap[:inodesPerGroup/8])))
		if err := w.out.writeBlock(inodeBitmap, bitmap); err != nil {
			return err
		}
	}
	le.PutUint32(descriptor[0x00:], uint32(blockBitmap))
	le.PutUint32(descriptor[0x04:], uint32(inodeBitmap))
	le.PutUint32(descriptor[0x08:], uint32(table))
	le.PutUint16(descriptor[0x0C:], uint16(size-used))
	le.PutUint16(descriptor[0x0E:], uint16(inodesPerGroup-inodes))
	le.PutUint16(descriptor[0x10:], uint16(w.inodes.folders[group]))
	le.PutUint16(descriptor[0x12:], flags)
	le.PutUint16(descriptor[0x1C:], uint16(inodesPerGroup-inodes))
	le.PutUint16(descriptor[0x1E:], uint16(crc32c(crc32cOf(w.seed, uint32(group)), descriptor)))
	return nil
}

// firstOnes returns a bitmap of a block whose first bits are set, and also those from size on, which stand
// for nothing.
func firstOnes(used, size uint64) []byte {
	bitmap := slices.Repeat([]byte{0xFF}, blockBytes)
	for at := used; at < size; at++ {
		if at%8 == 0 && at+8 <= size {
			bitmap[at/8] = 0
			at += 7
			continue
		}
		bitmap[at/8] &^= 1 << (at % 8)
	}
	return bitmap
}

const superBytes = 1024

// super returns the superblock without what differs between its copies.
func (w *Writer) super(freeBlocks, freeInodes uint64) []byte {
	b, made := make([]byte, superBytes), uint32(w.Made.Unix())
	for _, field := range []struct {
		at    int
		value uint32
	}{
		{0x00, uint32(w.layout.groups * inodesPerGroup)},
		{0x04, uint32(w.layout.blocks)},
		{0x0C, uint32(freeBlocks)},
		{0x10, uint32(freeInodes)},
		{0x18, 2}, // blocks of 1 KiB << 2
		{0x1C, 2},
		{0x20, blocksPerGroup},
		{0x24, blocksPerGroup},
		{0x28, inodesPerGroup},
		{0x30, made},
		{0x40, made},
		{0x4C, 1}, // revision
		{0x54, firstInode},
		{0x5C, compatible},
		{0x60, incompatible},
		{0x64, readOnlyCompatible},
		{0xE0, inodeJournal},
		{0x100, 0xC}, // user attributes, access control lists
		{0x108, made},
		{0x160, 1}, // signed hashes of names
	} {
		le.PutUint32(b[field.at:], field.value)
	}
	le.PutUint16(b[0x36:], 0xFFFF) // no check after a number of mounts
	le.PutUint16(b[0x38:], 0xEF53)
	le.PutUint16(b[0x3A:], 1) // clean
	le.PutUint16(b[0x3C:], 1) // continue after errors
	le.PutUint16(b[0x58:], inodeBytes)
	le.PutUint16(b[0x15C:], extraBytes)
	le.PutUint16(b[0x15E:], extraBytes)
	copy(b[0x68:], w.UUID[:])
	copy(b[0x78:0x88], w.Label)
	copy(b[0xEC:], w.UUID[:]) // seed of hashes
	b[0xFC] = 1               // half MD4
	b[0xFD] = 1               // the journal's inode is copied here
	copy(b[0x10C:], w.journal.body[:])
	le.PutUint32(b[0x10C+60:], uint32(w.journal.size>>32))
	le.PutUint32(b[0x10C+64:], uint32(w.journal.size))
	b[0x174] = 4 // 16 groups in a flexible one
	b[0x175] = 1 // crc32c
	return b
}
