package ext4

import (
	"time"
)

// Types of files, as the mode of an inode has them.
const (
	typeFifo    = 0x1000
	typeFolder  = 0x4000
	typeFile    = 0x8000
	typeSymlink = 0xA000
	typeMask    = 0xF000
)

const (
	inodeRoot    = 2
	inodeJournal = 8
	firstInode   = 11
	// extraBytes is how much of the inode beyond the first 128 bytes is fixed fields.
	extraBytes  = 32
	inlineFrom  = 128 + extraBytes
	flagExtents = 0x80000
	maxLinks    = 65000
	// inodeLinks is where an inode has the number of its names.
	inodeLinks = 0x1A
)

// Attributes are those of a file that a tar header has.
type Attributes struct {
	// Mode has the permissions, setuid, setgid and the sticky bit.
	Mode     uint16
	Uid, Gid uint32
	Modified time.Time
	Xattrs   []Xattr
}

// inode is everything about a file but its names.
type inode struct {
	Attributes
	number uint32
	kind   uint16
	links  uint32
	size   uint64
	// body is what the inode has in place of block numbers: an extent tree, or the target of a symlink.
	body       [60]byte
	hasExtents bool
	// blocks counts those of the content, the extent tree and the attributes.
	blocks     uint64
	xattrBlock uint64
	inline     []byte
}

// encode returns the inode as it is in the table. made is when the image was made: the time of all that a tar
// header does not have.
func (n *inode) encode(seed uint32, made time.Time) []byte {
	b := make([]byte, inodeBytes)
	le.PutUint16(b[0x00:], n.kind|n.Mode&0o7777)
	le.PutUint16(b[0x02:], uint16(n.Uid))
	le.PutUint32(b[0x04:], uint32(n.size))
	le.PutUint16(b[0x18:], uint16(n.Gid))
	le.PutUint16(b[inodeLinks:], uint16(n.storedLinks()))
	le.PutUint32(b[0x1C:], uint32(n.blocks*(blockBytes/512)))
	if n.hasExtents {
		le.PutUint32(b[0x20:], flagExtents)
	}
	copy(b[0x28:0x64], n.body[:])
	le.PutUint32(b[0x68:], uint32(n.xattrBlock))
	le.PutUint32(b[0x6C:], uint32(n.size>>32))
	le.PutUint16(b[0x74:], uint16(n.blocks*(blockBytes/512)>>32))
	le.PutUint16(b[0x78:], uint16(n.Uid>>16))
	le.PutUint16(b[0x7A:], uint16(n.Gid>>16))
	le.PutUint16(b[0x80:], extraBytes)
	// With the time of the change, or an older one, the kernel would write down that each folder and file was
	// read, when it is read first (relatime).
	putTime(b, made.Add(time.Nanosecond), 0x08, 0x8C)
	putTime(b, made, 0x0C, 0x84)
	putTime(b, n.Modified, 0x10, 0x88)
	putTime(b, made, 0x90, 0x94)
	copy(b[inlineFrom:], n.inline)
	sumInode(b, n.number, seed)
	return b
}

// sumInode writes the checksum of an encoded inode.
func sumInode(b []byte, number, seed uint32) {
	le.PutUint16(b[0x7C:], 0)
	le.PutUint16(b[0x82:], 0)
	sum := crc32c(inodeSeed(seed, number), b)
	le.PutUint16(b[0x7C:], uint16(sum))
	le.PutUint16(b[0x82:], uint16(sum>>16))
}

// storedLinks is 1 for a folder with more links than fit (dir_nlink).
func (n *inode) storedLinks() uint32 {
	if n.kind == typeFolder && n.links > maxLinks {
		return 1
	}
	return n.links
}

const (
	leastSecond = -1 << 31
	mostSecond  = 1<<34 - 1<<31 - 1
)

// putTime writes a time to the nanosecond. Times that ext4 cannot store become the nearest one, as the kernel
// does.
func putTime(b []byte, t time.Time, low, extra int) {
	second, nanosecond := t.Unix(), int64(t.Nanosecond())
	switch {
	case second < leastSecond:
		second, nanosecond = leastSecond, 0
	case second > mostSecond:
		second, nanosecond = mostSecond, 0
	}
	epoch := (second - int64(int32(second))) >> 32
	le.PutUint32(b[low:], uint32(second))
	le.PutUint32(b[extra:], uint32(nanosecond<<2|epoch&3))
}
