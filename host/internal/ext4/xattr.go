package ext4

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Xattr is an extended attribute as ext4 stores it.
type Xattr struct {
	// Index stands for the name's prefix.
	Index uint8
	Name  string
	Value []byte
}

// prefixes are those whose values are stored as programs see them.
var prefixes = []struct {
	index  uint8
	prefix string
}{{1, "user."}, {4, "trusted."}, {6, "security."}}

// NewXattr returns the attribute of a full name, or an error for one that cannot be stored.
func NewXattr(name string, value []byte) (Xattr, error) {
	if index, isList := aclIndexes[name]; isList {
		stored, err := storedAcl(value)
		return Xattr{index, "", stored}, err
	}
	for _, p := range prefixes {
		if rest, found := strings.CutPrefix(name, p.prefix); found && rest != "" && len(rest) < 256 {
			return Xattr{p.index, rest, value}, nil
		}
	}
	return Xattr{}, fmt.Errorf("the extended attribute %q cannot be stored", name)
}

const (
	xattrMagic      = 0xEA020000
	xattrEntryBytes = 16
	xattrHeader     = 32
	inlineBytes     = inodeBytes - inlineFrom
)

func (x *Xattr) nameBytes() int  { return xattrEntryBytes + (len(x.Name)+3)&^3 }
func (x *Xattr) valueBytes() int { return (len(x.Value) + 3) &^ 3 }

// setXattrs stores the attributes in the inode when all fit there, else in a block, which write gets.
func (n *inode) setXattrs(seed uint32, take func(blocks uint64) ([]run, error), write func(block uint64, content []byte) error) error {
	if len(n.Xattrs) == 0 {
		return nil
	}
	sorted := slices.SortedFunc(slices.Values(n.Xattrs), func(a, b Xattr) int {
		return cmp.Or(cmp.Compare(a.Index, b.Index), cmp.Compare(len(a.Name), len(b.Name)), strings.Compare(a.Name, b.Name))
	})
	size := 4
	for at := range sorted {
		size += sorted[at].nameBytes() + sorted[at].valueBytes()
	}
	if size+4 <= inlineBytes {
		n.inline = make([]byte, inlineBytes)
		le.PutUint32(n.inline, xattrMagic)
		putXattrs(n.inline[4:], sorted, 0)
		return nil
	}
	if size+xattrHeader > blockBytes {
		return fmt.Errorf("%d bytes of extended attributes do not fit in a block", size)
	}
	place, err := take(1)
	if err != nil {
		return err
	}
	block := make([]byte, blockBytes)
	le.PutUint32(block, xattrMagic)
	le.PutUint32(block[4:], 1)
	le.PutUint32(block[8:], 1)
	le.PutUint32(block[12:], putXattrs(block[xattrHeader:], sorted, xattrHeader))
	number := le.AppendUint64(nil, place[0].start)
	le.PutUint32(block[16:], crc32c(crc32c(seed, number), block))
	n.xattrBlock = place[0].start
	n.blocks++
	return write(place[0].start, block)
}

// putXattrs writes names from the start of b and values from its end, and returns the hash of all. Offsets of
// values count from `before` bytes before b.
func putXattrs(b []byte, sorted []Xattr, before int) uint32 {
	var all uint32
	end, entry := len(b), b
	for at := range sorted {
		x := &sorted[at]
		end -= x.valueBytes()
		copy(b[end:], x.Value)
		hash := x.hash()
		entry[0], entry[1] = uint8(len(x.Name)), x.Index
		le.PutUint16(entry[2:], uint16(end+before))
		le.PutUint32(entry[8:], uint32(len(x.Value)))
		le.PutUint32(entry[12:], hash)
		copy(entry[xattrEntryBytes:], x.Name)
		entry = entry[x.nameBytes():]
		all = all<<16 ^ all>>16 ^ hash
	}
	return all
}

func (x *Xattr) hash() uint32 {
	var hash uint32
	for _, c := range []byte(x.Name) {
		hash = hash<<5 ^ hash>>27 ^ uint32(c)
	}
	padded := append(slices.Clone(x.Value), make([]byte, x.valueBytes()-len(x.Value))...)
	for ; len(padded) > 0; padded = padded[4:] {
		hash = hash<<16 ^ hash>>16 ^ le.Uint32(padded)
	}
	return hash
}

// Access control lists, as programs see them and as ext4 stores them:
//
//	programs  version 2 (32 bits) | entries of tag (16), permissions (16), id (32)
//	ext4      version 1 (32 bits) | entries of tag (16), permissions (16), and id (32) for users and groups
const (
	aclOfPrograms = 2
	aclStored     = 1
	aclUser       = 0x02
	aclGroup      = 0x08
	aclEntryBytes = 8
	accessList    = "system.posix_acl_access"
	defaultList   = "system.posix_acl_default"
)

// aclIndexes are how ext4 names the lists: an index without a name.
var aclIndexes = map[string]uint8{accessList: 2, defaultList: 3}

// storedAcl returns a list as ext4 stores it.
func storedAcl(value []byte) ([]byte, error) {
	if len(value) < 4 || (len(value)-4)%aclEntryBytes != 0 || le.Uint32(value) != aclOfPrograms {
		return nil, fmt.Errorf("an access control list of %d bytes has another format", len(value))
	}
	out := le.AppendUint32(nil, aclStored)
	for entry := value[4:]; len(entry) > 0; entry = entry[aclEntryBytes:] {
		length := 4
		switch tag := le.Uint16(entry); tag {
		case aclUser, aclGroup:
			length = aclEntryBytes
		case 0x01, 0x04, 0x10, 0x20:
		default:
			return nil, fmt.Errorf("an access control list has an entry of type %#x", tag)
		}
		out = append(out, entry[:length]...)
	}
	return out, nil
}

// FullName returns the name of an attribute and its value as programs see them, or false for one that only
// the kernel uses.
func (x Xattr) FullName() (name string, value []byte, isKnown bool) {
	for _, list := range []string{accessList, defaultList} {
		if x.Index == aclIndexes[list] && x.Name == "" {
			value, err := programAcl(x.Value)
			return list, value, err == nil
		}
	}
	for _, p := range prefixes {
		if x.Index == p.index {
			return p.prefix + x.Name, x.Value, true
		}
	}
	return "", nil, false
}

// programAcl returns a stored access control list as programs see it.
func programAcl(stored []byte) ([]byte, error) {
	if len(stored) < 4 || le.Uint32(stored) != aclStored {
		return nil, corrupt("an access control list makes no sense")
	}
	out := le.AppendUint32(nil, aclOfPrograms)
	for rest := stored[4:]; len(rest) > 0; {
		if len(rest) < 4 {
			return nil, corrupt("an access control list is cut short")
		}
		id, length := ^uint32(0), 4
		if tag := le.Uint16(rest); tag == aclUser || tag == aclGroup {
			if length = aclEntryBytes; len(rest) < length {
				return nil, corrupt("an access control list is cut short")
			}
			id = le.Uint32(rest[4:])
		}
		out = le.AppendUint32(append(out, rest[:4]...), id)
		rest = rest[length:]
	}
	return out, nil
}
