package ext4

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"
)

const (
	// maxFolderBytes and maxAttributeBytes bound what an image can make a reader keep.
	maxFolderBytes = 64 << 20
	inodeOfRoot    = 2
)

// entry is a name in a folder of an image.
type entry struct {
	name   string
	number uint32
}

// entriesOf returns the names in a folder, in their order, without "." and "..".
func (i *Image) entriesOf(inode []byte) ([]entry, error) {
	if sizeOf(inode) > maxFolderBytes {
		return nil, corrupt("a folder has %d bytes", sizeOf(inode))
	}
	reader, err := i.contentOf(inode)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(reader)
	if err != nil {
		return nil, err
	}
	var found []entry
	for at := 0; at+folderEntryBytes <= len(content); {
		number, size, length := le.Uint32(content[at:]), int(le.Uint16(content[at+4:])), int(content[at+6])
		if size < folderEntryBytes || at+size > len(content) || folderEntryBytes+length > size {
			return nil, corrupt("an entry of a folder makes no sense")
		}
		name := string(content[at+folderEntryBytes:][:length])
		// Unused entries, and the tails and index blocks of folders, have no inode.
		if number != 0 && name != "." && name != ".." {
			found = append(found, entry{name, number})
		}
		at += size
	}
	slices.SortFunc(found, func(a, b entry) int { return cmp.Compare(a.name, b.name) })
	return found, nil
}

// find returns the number of the file with that name in a folder, or 0.
func (i *Image) find(folder uint32, name string) (uint32, error) {
	inode, err := i.inodeAt(folder)
	if err != nil {
		return 0, err
	}
	if le.Uint16(inode)&typeMask != typeFolder {
		return 0, nil
	}
	entries, err := i.entriesOf(inode)
	for _, e := range entries {
		if e.name == name {
			return e.number, err
		}
	}
	return 0, err
}

// attributesIn returns the attributes of an inode.
func (i *Image) attributesIn(inode []byte) (Attributes, error) {
	a := Attributes{
		Mode:     le.Uint16(inode) & 0o7777,
		Uid:      uint32(le.Uint16(inode[0x02:])) | uint32(le.Uint16(inode[0x78:]))<<16,
		Gid:      uint32(le.Uint16(inode[0x18:])) | uint32(le.Uint16(inode[0x7A:]))<<16,
		Modified: time.Unix(int64(int32(le.Uint32(inode[0x10:]))), 0),
	}
	extra := 0
	if i.inodeBytes > 128 {
		extra = int(le.Uint16(inode[0x80:]))
	}
	if extra >= 0x8C-128 && len(inode) >= 0x8C {
		more := le.Uint32(inode[0x88:])
		a.Modified = time.Unix(a.Modified.Unix()+int64(more&3)<<32, int64(more>>2))
	}
	if from := 128 + extra; from+4 <= len(inode) && le.Uint32(inode[from:]) == xattrMagic {
		if err := readXattrs(inode[from+4:], 0, &a.Xattrs); err != nil {
			return a, err
		}
	}
	block := uint64(le.Uint32(inode[0x68:])) | uint64(le.Uint16(inode[0x76:]))<<32
	if block == 0 {
		return a, nil
	}
	content := make([]byte, i.blockBytes)
	if _, err := i.file.ReadAt(content, int64(min(block, i.blocks))*i.blockBytes); err != nil {
		return a, err
	}
	if le.Uint32(content) != xattrMagic {
		return a, corrupt("a block of attributes makes no sense")
	}
	return a, readXattrs(content[xattrHeader:], xattrHeader, &a.Xattrs)
}

// readXattrs reads entries from the start of b. Offsets of values count from `before` bytes before b.
func readXattrs(b []byte, before int, found *[]Xattr) error {
	for rest := b; len(rest) >= 4 && le.Uint32(rest) != 0; {
		if len(rest) < xattrEntryBytes {
			return corrupt("an attribute makes no sense")
		}
		length, value := int(rest[0]), int(le.Uint16(rest[2:]))-before
		size, used := int(le.Uint32(rest[8:])), xattrEntryBytes+(int(rest[0])+3)&^3
		if used > len(rest) || le.Uint32(rest[4:]) != 0 || size > len(b) || value < 0 || value+size > len(b) {
			return corrupt("an attribute makes no sense")
		}
		name := string(rest[xattrEntryBytes:][:length])
		*found = append(*found, Xattr{Index: rest[1], Name: name, Value: slices.Clone(b[value:][:size])})
		rest = rest[used:]
	}
	return nil
}

// Kinds of files that only images have, besides those that the writer puts.
const (
	KindChar   Kind = 0x2000
	KindFolder Kind = typeFolder
	KindBlock  Kind = 0x6000
	KindSocket Kind = typeSocket
)

// Node is a file of any kind in an image.
type Node struct {
	image  *Image
	Number uint32
	inode  []byte
}

// Span is a range of bytes of an image.
type Span struct{ At, Length int64 }

// Root returns the folder at the top.
func (i *Image) Root() (Node, error) { return i.node(inodeOfRoot) }

func (i *Image) node(number uint32) (Node, error) {
	inode, err := i.inodeAt(number)
	return Node{i, number, inode}, err
}

// Kind returns one of the kinds, or something else for a damaged node.
func (n Node) Kind() Kind { return Kind(le.Uint16(n.inode) & typeMask) }

// Links returns how many names the node has.
func (n Node) Links() int { return int(le.Uint16(n.inode[inodeLinks:])) }

// Size returns the bytes of a file.
func (n Node) Size() int64 { return sizeOf(n.inode) }

// Attributes returns owner, mode, time and extended attributes.
func (n Node) Attributes() (Attributes, error) { return n.image.attributesIn(n.inode) }

// Content reads a file. Holes are zeros.
func (n Node) Content() (io.Reader, error) { return n.image.contentOf(n.inode) }

// Target returns that of a symlink.
func (n Node) Target() (string, error) { return n.image.targetOf(n.inode) }

// Device returns the number of a device node (ext4.h, i_block[0] and i_block[1]).
func (n Node) Device() (major, minor int64) {
	if old := le.Uint16(n.inode[0x28:]); old != 0 {
		return int64(old >> 8), int64(old & 0xFF)
	}
	number := le.Uint32(n.inode[0x2C:])
	return int64(number >> 8 & 0xFFF), int64(number&0xFF | number>>12&0xFFF00)
}

// Child is a name in a folder.
type Child struct {
	Name string
	Node Node
}

// Children returns what is in a folder, by name.
func (n Node) Children() ([]Child, error) {
	entries, err := n.image.entriesOf(n.inode)
	if err != nil {
		return nil, err
	}
	children := make([]Child, 0, len(entries))
	for _, e := range entries {
		child, err := n.image.node(e.number)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", e.name, err)
		}
		children = append(children, Child{e.name, child})
	}
	return children, nil
}

// Spans returns where the content of a file is in the image. isReplayed is true when some of it is in the
// journal instead.
func (n Node) Spans() (spans []Span, isReplayed bool, err error) {
	extents, err := n.image.extentsOf(n.inode)
	if err != nil {
		return nil, false, err
	}
	for _, e := range extents {
		spans = append(spans, Span{e.start * n.image.blockBytes, e.blocks * n.image.blockBytes})
		for at := int64(0); at < e.blocks && n.image.replay != nil && !isReplayed; at++ {
			isReplayed = n.image.replay.Replays(uint64(e.start + at))
		}
	}
	return spans, isReplayed, nil
}
