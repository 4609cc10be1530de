package ext4

import (
	"fmt"
	"slices"
)

// Need is what a file system must have room for.
type Need struct {
	// Blocks are those of files, folders, symlinks and attributes, with their extent trees.
	Blocks uint64
	Inodes uint64
	// FreeBytes remain for files that are added later.
	FreeBytes       int64
	MaxJournalBytes int64
}

// AddFile counts a file whose content takes so many blocks.
func (n *Need) AddFile(blocks uint64, attributes *Attributes, isSparse bool) error {
	n.Blocks += blocks + treeBlocks(blocks, isSparse)
	return n.addInode(attributes)
}

// AddSymlink counts a symbolic link.
func (n *Need) AddSymlink(target string, attributes *Attributes) error {
	if len(target) >= len(inode{}.body) {
		n.Blocks++
	}
	return n.addInode(attributes)
}

// AddFolder counts a folder with these names.
func (n *Need) AddFolder(names []string, attributes *Attributes) error {
	blocks, used := uint64(1), folderEntrySize(".")+folderEntrySize("..")
	slices.Sort(names)
	for _, name := range names {
		size := folderEntrySize(name)
		if used+size > folderRoom {
			blocks, used = blocks+1, 0
		}
		used += size
	}
	n.Blocks += blocks + treeBlocks(blocks, false)
	return n.addInode(attributes)
}

// addInode counts an inode and the block for its attributes.
func (n *Need) addInode(attributes *Attributes) error {
	n.Inodes++
	probe := inode{Attributes: *attributes}
	take := func(blocks uint64) ([]run, error) {
		n.Blocks += blocks
		return []run{{}}, nil
	}
	return probe.setXattrs(0, take, func(uint64, []byte) error { return nil })
}

// fewestInGroup is less than the blocks that any group has for files.
const fewestInGroup = blocksPerGroup / 2

// treeBlocks bounds how many blocks an extent tree takes beside the inode.
func treeBlocks(blocks uint64, isSparse bool) uint64 {
	if isSparse {
		return extentsInInode
	}
	extents := blocks/fewestInGroup + 2
	if extents <= extentsInInode {
		return 0
	}
	return (extents + extentsInBlock - 1) / extentsInBlock
}

// sizeStep is what sizes of file systems are multiples of.
const sizeStep = 1 << 20

// SizeFor returns the size in bytes of the smallest file system that has room for a need.
func SizeFor(need Need) (int64, error) {
	free := (uint64(need.FreeBytes) + blockBytes - 1) / blockBytes
	// A tenth more inodes than are in use, as there is free space to fill.
	inodes := need.Inodes + need.Inodes/10 + firstInode
	size := max(int64((need.Blocks+free)*blockBytes)/sizeStep*sizeStep, 16<<20)
	for {
		l, err := planLayout(size, need.MaxJournalBytes)
		if err != nil {
			return 0, fmt.Errorf("a file system of %d bytes: %w", size, err)
		}
		missingBlocks := int64(need.Blocks+free) - int64(l.room())
		missingInodes := int64(inodes) - int64(l.groups*inodesPerGroup)
		if missingBlocks <= 0 && missingInodes <= 0 {
			return size, nil
		}
		grow := max(missingBlocks*blockBytes, missingInodes/inodesPerGroup*blocksPerGroup*blockBytes, sizeStep)
		size += (grow + sizeStep - 1) / sizeStep * sizeStep
	}
}

// room is how many blocks there are for files.
func (l layout) room() uint64 {
	blocks := l.blocks - l.journalBlocks
	for group := range l.groups {
		blocks -= l.reserved(group)
	}
	return blocks
}
