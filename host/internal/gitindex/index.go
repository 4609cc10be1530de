package gitindex

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
)

var be = binary.BigEndian

// errOther is the error for an index that is not as Watch knows it. It stays as it is.
var errOther = errors.New("not an index of a kind that can be watched")

const (
	headerBytes = 12
	// statBytes is what an entry has before the name of its object.
	statBytes = 40
	// Flags of an entry.
	flagAssumeValid = 0x8000
	flagExtended    = 0x4000
	flagStages      = 0x3000
	// Types of an entry's mode.
	modeType    = 0o170000
	modeFile    = 0o100000
	modeSymlink = 0o120000
	modeGitlink = 0o160000
	modeRun     = 0o100
)

// entry is a file of an index.
type entry struct {
	path string
	mode uint32
	// seconds is when the file was modified; size is the low 32 bits of its size.
	seconds, size uint32
	object        []byte
	flags         uint16
}

// index is an index file in parts.
type index struct {
	content []byte
	entries []entry
	// end is where the entries end.
	end        int
	extensions []extension
	newHash    func() hash.Hash
}

type extension struct {
	name    string
	content []byte
}

// parse reads an index file (gitformat-index(5)).
func parse(content []byte) (*index, error) {
	parsed := &index{content: content}
	if len(content) < headerBytes || string(content[:4]) != "DIRC" {
		return nil, errOther
	}
	if !parsed.findHash() {
		return nil, errOther
	}
	version := be.Uint32(content[4:])
	if version < 2 || version > 4 {
		return nil, errOther
	}
	if err := parsed.parseEntries(version); err != nil {
		return nil, err
	}
	return parsed, parsed.parseExtensions()
}

// findHash finds out by its checksum which hash an index uses.
func (x *index) findHash() bool {
	for _, newHash := range []func() hash.Hash{sha1.New, sha256.New} {
		sum := newHash()
		at := len(x.content) - sum.Size()
		if at < headerBytes {
			continue
		}
		sum.Write(x.content[:at])
		if bytes.Equal(sum.Sum(nil), x.content[at:]) {
			x.newHash = newHash
			return true
		}
	}
	return false
}

func (x *index) parseEntries(version uint32) error {
	content, hashBytes := x.body(), x.newHash().Size()
	count := be.Uint32(content[8:])
	if uint64(count)*uint64(statBytes+hashBytes+2) > uint64(len(content)) {
		return errOther
	}
	x.entries = make([]entry, 0, count)
	at, path := headerBytes, ""
	for range count {
		from := at + statBytes + hashBytes + 2
		if from > len(content) {
			return errOther
		}
		fields := content[at:]
		e := entry{
			mode:    be.Uint32(fields[24:]),
			seconds: be.Uint32(fields[8:]),
			size:    be.Uint32(fields[36:]),
			object:  fields[statBytes : statBytes+hashBytes],
			flags:   be.Uint16(fields[statBytes+hashBytes:]),
		}
		if e.flags&flagExtended != 0 {
			from += 2
		}
		kept := ""
		if version == 4 {
			dropped, next, ok := readVarint(content, from)
			if !ok || dropped > uint64(len(path)) {
				return errOther
			}
			kept, from = path[:uint64(len(path))-dropped], next
		}
		if from > len(content) {
			return errOther
		}
		length := bytes.IndexByte(content[from:], 0)
		if length < 0 {
			return errOther
		}
		end := from + length
		path = kept + string(content[from:end])
		e.path = path
		x.entries = append(x.entries, e)
		if version == 4 {
			at = end + 1
		} else {
			at += (end - at + 8) &^ 7
		}
	}
	x.end = at
	return nil
}

func (x *index) parseExtensions() error {
	content := x.body()
	for at := x.end; at != len(content); {
		if at+8 > len(content) {
			return errOther
		}
		name, size := string(content[at:at+4]), uint64(be.Uint32(content[at+4:]))
		from := uint64(at) + 8
		if from+size > uint64(len(content)) {
			return errOther
		}
		// A name in lower case is of something that the entries do not make sense without.
		if name[0] < 'A' || name[0] > 'Z' {
			return errOther
		}
		x.extensions = append(x.extensions, extension{name, content[from : from+size]})
		at = int(from + size)
	}
	return nil
}

// body is the index without its checksum.
func (x *index) body() []byte { return x.content[:len(x.content)-x.newHash().Size()] }

// write returns the index with these extensions.
func (x *index) write(extensions []extension) []byte {
	out := bytes.NewBuffer(make([]byte, 0, len(x.content)+len(x.content)/4))
	out.Write(x.content[:x.end])
	names := x.newHash()
	for _, each := range extensions {
		header := be.AppendUint32([]byte(each.name), uint32(len(each.content)))
		names.Write(header)
		out.Write(header)
		out.Write(each.content)
	}
	// From it git knows, before it has read the entries, that another thread can begin with the extensions.
	out.Write(be.AppendUint32([]byte(endExtension), uint32(4+names.Size())))
	out.Write(be.AppendUint32(nil, uint32(x.end)))
	out.Write(names.Sum(nil))
	sum := x.newHash()
	sum.Write(out.Bytes())
	return sum.Sum(out.Bytes())
}

const endExtension = "EOIE"

// readVarint reads a number as packs encode offsets: seven bits a byte, each byte but the first plus one.
func readVarint(content []byte, at int) (value uint64, end int, ok bool) {
	for ; at < len(content); at++ {
		b := content[at]
		value |= uint64(b & 0x7f)
		if b&0x80 == 0 {
			return value, at + 1, true
		}
		if value > 1<<48 {
			return 0, 0, false
		}
		value = (value + 1) << 7
	}
	return 0, 0, false
}

// appendVarint writes a number as readVarint reads it.
func appendVarint(out []byte, value uint64) []byte {
	bytes := []byte{byte(value & 0x7f)}
	for value >>= 7; value > 0; value >>= 7 {
		value--
		bytes = append(bytes, 0x80|byte(value&0x7f))
	}
	for at := len(bytes) - 1; at >= 0; at-- {
		out = append(out, bytes[at])
	}
	return out
}
