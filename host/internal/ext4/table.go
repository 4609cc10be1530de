package ext4

import "os"

// table writes inodes to their tables. Numbers are given out in order.
type table struct {
	layout
	file *os.File
	out  *output
	next uint32
	// folders counts the folders in each group.
	folders map[uint64]uint64
}

func newTable(l layout, file *os.File) *table {
	return &table{layout: l, file: file, out: newOutput(file), next: firstInode, folders: map[uint64]uint64{}}
}

// number returns the number of a new inode, or ErrFull.
func (t *table) number(kind uint16) (uint32, error) {
	if uint64(t.next) > t.groups*inodesPerGroup {
		return 0, ErrFull
	}
	n := t.next
	t.next++
	if kind == typeFolder {
		t.folders[groupOf(n)]++
	}
	return n, nil
}

// used is how many inodes of a group are taken; they are its first ones.
func (t *table) used(group uint64) uint64 {
	first := group*inodesPerGroup + 1
	return min(uint64(t.next)-min(first, uint64(t.next)), inodesPerGroup)
}

func (t *table) put(number uint32, encoded []byte) error {
	return t.out.write(t.offset(number), encoded)
}

// get returns an inode that is written.
func (t *table) get(number uint32) ([]byte, error) {
	if err := t.out.flush(); err != nil {
		return nil, err
	}
	encoded := make([]byte, inodeBytes)
	_, err := t.file.ReadAt(encoded, t.offset(number))
	return encoded, err
}

// addLink counts one more name of an inode that is written.
func (t *table) addLink(number, seed uint32) error {
	encoded, err := t.get(number)
	if err != nil {
		return err
	}
	links := le.Uint16(encoded[inodeLinks:])
	if links >= maxLinks {
		return refuse("a file has more than %d names", maxLinks)
	}
	le.PutUint16(encoded[inodeLinks:], links+1)
	sumInode(encoded, number, seed)
	return t.put(number, encoded)
}

func (t *table) offset(number uint32) int64 {
	_, _, at := t.metadata(groupOf(number))
	return int64(at)*blockBytes + int64((number-1)%inodesPerGroup)*inodeBytes
}

func groupOf(number uint32) uint64 { return uint64(number-1) / inodesPerGroup }
