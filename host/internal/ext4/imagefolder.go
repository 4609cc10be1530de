package ext4

import (
	"cmp"
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
