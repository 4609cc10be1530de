// Package jbd2 reads the journal of an ext4 file system, and the file system as it is after a replay. Nothing
// is written. Whatever is in the journal, reading it ends.
package jbd2

import (
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"math"
)

// The journal is a file of the file system, and a ring of blocks behind its own superblock. A transaction is
// any number of descriptor blocks, each followed by the blocks whose places it names, of revoke blocks, and
// one commit block. Its numbers are big-endian.
//
//	block 0      from s_first on
//	+-------+    +------------+--------+--------+------------+--------+
//	| super |    | descriptor | block  | block  | revoke ... | commit |
//	+-------+    +------------+--------+--------+------------+--------+
const (
	journalMagic    = 0xC03B3998
	journalHeader   = 12
	blockDescriptor = 1
	blockCommit     = 2
	blockRevoke     = 5
	journalRevokes  = 0x1
	journal64Bit    = 0x2
	journalAsync    = 0x4
	journalSumV2    = 0x8
	journalSumV3    = 0x10
	tagEscaped      = 0x1
	tagSameUUID     = 0x2
	tagDeleted      = 0x4
	tagLast         = 0x8
)

// MaxBlocks bounds the blocks of a journal.
const MaxBlocks = 1 << 20

var be = binary.BigEndian

// journaled is the newest content of a block: where the journal has it, in bytes from the start of the image.
type journaled struct {
	at int64
	// isEscaped: its first four bytes are the magic number of the journal, which has zeros there.
	isEscaped bool
	sequence  uint32
}

// FileSystem is one whose journal is to be read.
type FileSystem struct {
	File       io.ReaderAt
	BlockBytes int64
	Blocks     uint64
	// Journal are the numbers of the blocks that the journal consists of.
	Journal []int64
}

// journal is the journal of a file system.
type journal struct {
	FileSystem
	first    uint32
	sequence uint32
	start    uint32
	features uint32
}

func corrupt(format string, args ...any) error {
	return fmt.Errorf("the image is damaged: its journal "+format, args...)
}

// Open reads the journal. A transaction without its commit block has not happened. Checksums are not
// compared: the content may be anything in any case.
func Open(fs FileSystem) (*View, error) {
	j, err := open(fs)
	if err != nil {
		return nil, err
	}
	blocks, err := j.replay()
	return &View{fs.File, fs.BlockBytes, blocks}, err
}

func (j *journal) replay() (map[uint64]journaled, error) {
	written, revoked := map[uint64]journaled{}, map[uint64]uint32{}
	at, sequence := j.start, j.sequence
	pending, pendingRevokes := map[uint64]journaled{}, []uint64{}
	for left := len(j.Journal); left > 0 && j.start != 0; left-- {
		block, err := j.read(at)
		if err != nil {
			return nil, err
		}
		if be.Uint32(block) != journalMagic || be.Uint32(block[8:]) != sequence {
			break
		}
		at = j.next(at)
		switch be.Uint32(block[4:]) {
		case blockDescriptor:
			at = j.describe(block, at, sequence, pending)
		case blockRevoke:
			pendingRevokes = append(pendingRevokes, j.revokedIn(block)...)
		case blockCommit:
			maps.Copy(written, pending)
			for _, number := range pendingRevokes {
				revoked[number] = sequence
			}
			clear(pending)
			pendingRevokes, sequence = nil, sequence+1
		default:
			return nil, corrupt("has a block of an unknown kind")
		}
	}
	for number, last := range revoked {
		if content, isThere := written[number]; isThere && int32(content.sequence-last) <= 0 {
			delete(written, number)
		}
	}
	return written, nil
}

func open(fs FileSystem) (*journal, error) {
	j := &journal{FileSystem: fs}
	super, err := j.read(0)
	if err != nil {
		return nil, err
	}
	length := be.Uint32(super[0x10:])
	j.first, j.sequence, j.start, j.features = be.Uint32(super[0x14:]), be.Uint32(super[0x18:]), be.Uint32(super[0x1C:]), be.Uint32(super[0x28:])
	if be.Uint32(super) != journalMagic || int64(be.Uint32(super[0x0C:])) != fs.BlockBytes ||
		uint64(length) > uint64(len(fs.Journal)) || j.first == 0 || j.first >= length || j.start >= length {
		return nil, corrupt("makes no sense")
	}
	const known = journalRevokes | journal64Bit | journalAsync | journalSumV2 | journalSumV3
	if unknown := j.features &^ known; unknown != 0 {
		return nil, corrupt("has features %#x, which are not known", unknown)
	}
	j.Journal = j.Journal[:length]
	return j, nil
}

func (j *journal) read(at uint32) ([]byte, error) {
	if int64(at) >= int64(len(j.Journal)) {
		return nil, corrupt("is cut short")
	}
	block := make([]byte, j.BlockBytes)
	_, err := j.File.ReadAt(block, j.Journal[at]*j.BlockBytes)
	return block, err
}

func (j *journal) next(at uint32) uint32 {
	if at+1 >= uint32(len(j.Journal)) {
		return j.first
	}
	return at + 1
}

// describe adds the blocks that a descriptor names, the first of which is at. It returns where the next block
// of the journal is.
func (j *journal) describe(block []byte, at, sequence uint32, into map[uint64]journaled) uint32 {
	end := len(block)
	if j.features&(journalSumV2|journalSumV3) != 0 {
		end -= 4
	}
	for from := journalHeader; from+j.tagBytes() <= end; {
		tag := block[from:]
		number, flags := uint64(be.Uint32(tag)), uint32(be.Uint16(tag[6:]))
		switch {
		case j.features&journalSumV3 != 0:
			number, flags = number|uint64(be.Uint32(tag[8:]))<<32, be.Uint32(tag[4:])
		case j.features&journal64Bit != 0:
			number |= uint64(be.Uint32(tag[8:])) << 32
		}
		if flags&tagDeleted == 0 && number < j.Blocks {
			into[number] = journaled{j.Journal[at] * j.BlockBytes, flags&tagEscaped != 0, sequence}
		}
		at = j.next(at)
		if flags&tagLast != 0 {
			break
		}
		if from += j.tagBytes(); flags&tagSameUUID == 0 {
			from += 16
		}
	}
	return at
}

func (j *journal) tagBytes() int {
	if j.features&journalSumV3 != 0 {
		return 16
	}
	size := 8
	if j.features&journal64Bit != 0 {
		size += 4
	}
	if j.features&journalSumV2 != 0 {
		size += 2
	}
	return size
}

// revokedIn returns the blocks that older transactions must not overwrite.
func (j *journal) revokedIn(block []byte) []uint64 {
	end := min(int64(be.Uint32(block[journalHeader:])), int64(len(block)))
	var found []uint64
	if j.features&journal64Bit != 0 {
		for at := int64(journalHeader + 4); at+8 <= end; at += 8 {
			found = append(found, be.Uint64(block[at:]))
		}
		return found
	}
	for at := int64(journalHeader + 4); at+4 <= end; at += 4 {
		found = append(found, uint64(be.Uint32(block[at:])))
	}
	return found
}

// View reads a file system as it is after its journal is replayed.
type View struct {
	file       io.ReaderAt
	blockBytes int64
	blocks     map[uint64]journaled
}

// Replays reports whether the newest content of a block is in the journal.
func (v *View) Replays(block uint64) bool {
	_, isThere := v.blocks[block]
	return isThere
}

// ReadAt reads the file system.
func (v *View) ReadAt(p []byte, offset int64) (int, error) {
	if offset < 0 || offset > math.MaxInt64-int64(len(p)) {
		return 0, corrupt("has no byte %d", offset)
	}
	done := 0
	for done < len(p) {
		at := offset + int64(done)
		within := at % v.blockBytes
		part := p[done:min(len(p), done+int(v.blockBytes-within))]
		content, isReplayed := v.blocks[uint64(at/v.blockBytes)]
		from := at
		if isReplayed {
			from = content.at + within
		}
		n, err := v.file.ReadAt(part, from)
		done += n
		if err != nil && (err != io.EOF || n < len(part)) {
			return done, err
		}
		if isReplayed && content.isEscaped {
			magic := be.AppendUint32(nil, journalMagic)
			if within < int64(len(magic)) {
				copy(part, magic[within:])
			}
		}
	}
	return done, nil
}
