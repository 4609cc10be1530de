package ext4

import (
	"maps"
	"slices"
)

// node is a name's file. Children is nil for everything but folders.
type node struct {
	number   uint32
	kind     uint16
	children map[string]*node
	// attributes of a folder; its inode is written at the end, when its content is known.
	attributes Attributes
}

const (
	folderEntryBytes = 8
	folderTailBytes  = 12
	folderTailType   = 0xDE
)

// folderBlocks returns the content of a folder: blocks of entries in the order of their names, each with a
// checksum at its end.
func folderBlocks(seed uint32, folder *node, parent uint32) []byte {
	f := folderWriter{seed: inodeSeed(seed, folder.number)}
	f.add(".", folder.number, typeFolder)
	f.add("..", parent, typeFolder)
	for _, name := range slices.Sorted(maps.Keys(folder.children)) {
		child := folder.children[name]
		f.add(name, child.number, child.kind)
	}
	f.finish()
	return f.out
}

type folderWriter struct {
	seed uint32
	out  []byte
	// last is where the newest entry of the current block begins; used is the end of it in the block.
	last, used int
}

const folderRoom = blockBytes - folderTailBytes

func (f *folderWriter) add(name string, number uint32, kind uint16) {
	size := (folderEntryBytes + len(name) + 3) &^ 3
	if len(f.out) == 0 || f.used+size > folderRoom {
		f.finish()
		f.out = append(f.out, make([]byte, blockBytes)...)
		f.used = 0
	}
	block := f.block()
	entry := block[f.used:]
	le.PutUint32(entry, number)
	le.PutUint16(entry[4:], uint16(size))
	entry[6], entry[7] = uint8(len(name)), entryType(kind)
	copy(entry[folderEntryBytes:], name)
	f.last = f.used
	f.used += size
}

// finish gives the rest of the block to its last entry, and writes the tail.
func (f *folderWriter) finish() {
	if len(f.out) == 0 {
		return
	}
	block := f.block()
	le.PutUint16(block[f.last+4:], uint16(folderRoom-f.last))
	tail := block[folderRoom:]
	le.PutUint16(tail[4:], folderTailBytes)
	tail[7] = folderTailType
	le.PutUint32(tail[8:], crc32c(f.seed, block[:folderRoom]))
}

func (f *folderWriter) block() []byte { return f.out[len(f.out)-blockBytes:] }

func entryType(kind uint16) uint8 {
	switch kind {
	case typeFile:
		return 1
	case typeFolder:
		return 2
	case typeFifo:
		return 5
	default:
		return 7
	}
}
