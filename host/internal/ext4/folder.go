package ext4

import (
	"maps"
	"slices"
)

// node is a name's file. Its folder is nil for everything but folders.
type node struct {
	number uint32
	kind   uint16
	*folder
}

// folder is what is kept of a folder until the end, when its inode is written.
type folder struct {
	children   map[string]node
	attributes Attributes
}

const (
	folderEntryBytes = 8
	folderTailBytes  = 12
	folderTailType   = 0xDE
)

// folderBlocks returns the content of a folder: blocks of entries in the order of their names, each with a
// checksum at its end.
func folderBlocks(seed uint32, folder node, parent uint32) []byte {
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

func folderEntrySize(name string) int { return (folderEntryBytes + len(name) + 3) &^ 3 }

func (f *folderWriter) add(name string, number uint32, kind uint16) {
	size := folderEntrySize(name)
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

// Place is a folder that is being filled.
type Place struct{ node node }

// Top returns the top folder of the file system.
func (w *Writer) Top() Place { return Place{w.root} }

// NewFolder makes a folder in a place and returns it.
func (w *Writer) NewFolder(in Place, base string, attributes Attributes) (Place, error) {
	made, err := w.add(in.node, base, typeFolder, attributes)
	return Place{made}, err
}

// NewName gives a name to a new inode and returns the inode's number. The caller must write the inode later,
// with the Put method of its kind.
func (w *Writer) NewName(in Place, base string, kind Kind) (uint32, error) {
	made, err := w.add(in.node, base, uint16(kind), Attributes{})
	return made.number, err
}

// NewLink gives one more name to an inode. It does not count it: see Content.Links.
func (w *Writer) NewLink(in Place, base string, kind Kind, number uint32) error {
	return w.name(in.node, base, node{number: number, kind: uint16(kind)})
}

// SetTop sets the attributes of the top folder.
func (w *Writer) SetTop(attributes Attributes) { w.root.attributes = attributes }
