package ext4

import (
	"io"
	"strings"
)

// Kind is the type of a file.
type Kind uint16

// Kinds of files.
const (
	KindFile    Kind = typeFile
	KindSymlink Kind = typeSymlink
	KindFifo    Kind = typeFifo
)

// Content is what the inode of a file has, beside its bytes.
type Content struct {
	Attributes
	// Links is the number of names that the file has, at most MaxLinks.
	Links uint32
}

// MaxLinks is the highest number of names that one file can have.
const MaxLinks = maxLinks

// PutFile writes an inode that has a number: a file of size bytes, which it reads.
func (w *Writer) PutFile(number uint32, c Content, size int64, content io.Reader) error {
	n, err := w.begin(number, typeFile, c)
	if err != nil {
		return err
	}
	n.size = uint64(size)
	runs, err := w.blocks.take(BlocksOf(size))
	if err != nil {
		return err
	}
	for _, r := range runs {
		length := min(int64(r.blocks)*blockBytes, size)
		offset := int64(r.start) * blockBytes
		if err := w.out.fill(offset, length, content); err != nil {
			return err
		}
		if rest := length % blockBytes; rest > 0 {
			if err := w.out.write(offset+length, zeros[:blockBytes-rest]); err != nil {
				return err
			}
		}
		size -= length
	}
	return w.finish(n, runs)
}

// BlocksOf returns how many blocks size bytes take.
func BlocksOf(size int64) uint64 { return (uint64(size) + blockBytes - 1) / blockBytes }

var zeros [blockBytes]byte

// PutSymlink writes an inode that has a number: a symbolic link.
func (w *Writer) PutSymlink(number uint32, c Content, target string) error {
	if err := checkTarget("", target); err != nil {
		return err
	}
	c.Mode = 0o777
	n, err := w.begin(number, typeSymlink, c)
	if err != nil {
		return err
	}
	n.size = uint64(len(target))
	if len(target) < len(n.body) {
		copy(n.body[:], target)
		return w.put(n)
	}
	runs, err := w.blocks.take(1)
	if err != nil {
		return err
	}
	padded := append([]byte(target), zeros[len(target):]...)
	if err := w.out.writeBlock(runs[0].start, padded); err != nil {
		return err
	}
	return w.finish(n, runs)
}

// maxTargetBytes is the longest target of a symlink, without the 0 at its end.
const maxTargetBytes = blockBytes - 1

func checkTarget(name, target string) error {
	if len(target) == 0 || len(target) > maxTargetBytes || strings.Contains(target, "\x00") {
		return refuse("%q: the target of a symlink has 1 to %d bytes, none of them 0", name, maxTargetBytes)
	}
	return nil
}

// PutFifo writes an inode that has a number: a named pipe.
func (w *Writer) PutFifo(number uint32, c Content) error {
	n, err := w.begin(number, typeFifo, c)
	if err != nil {
		return err
	}
	return w.put(n)
}

// begin makes an inode whose blocks are still to be set.
func (w *Writer) begin(number uint32, kind uint16, c Content) (*inode, error) {
	if c.Links > MaxLinks {
		return nil, refuse("a file has more than %d names", MaxLinks)
	}
	n := &inode{Attributes: c.Attributes, number: number, kind: kind, links: c.Links}
	return n, n.setXattrs(w.seed, w.blocks.take, w.out.writeBlock)
}

// holeBytes is the size and the alignment of the holes that a sparse file gets.
const holeBytes = chunkBytes

// maxSparseExtents bounds the extents of a sparse file, so that they fit in its tree; from then on its zeros
// take blocks.
const maxSparseExtents = extentsInInode*extentsInBlock - 2*maxFileGroups

// maxFileGroups is more than the extents of a file without holes.
const maxFileGroups = 256

// PutSparse is PutFile for a file that has long runs of zeros: these become holes.
func (w *Writer) PutSparse(number uint32, c Content, size int64, content io.Reader) error {
	n, err := w.begin(number, typeFile, c)
	if err != nil {
		return err
	}
	n.size = uint64(size)
	var runs []run
	chunk := make([]byte, holeBytes)
	for at := int64(0); at < size; at += holeBytes {
		length := min(size-at, holeBytes)
		if _, err := io.ReadFull(content, chunk[:length]); err != nil {
			return err
		}
		if isZero(chunk[:length]) && len(runs) < maxSparseExtents {
			continue
		}
		clear(chunk[length:])
		if runs, err = w.writeChunk(runs, uint64(at)/blockBytes, chunk[:BlocksOf(length)*blockBytes]); err != nil {
			return err
		}
	}
	return w.finish(n, runs)
}

// writeChunk adds whole blocks to a file, from a logical block on.
func (w *Writer) writeChunk(runs []run, logical uint64, content []byte) ([]run, error) {
	placed, err := w.blocks.extend(nil, logical, uint64(len(content))/blockBytes)
	if err != nil {
		return nil, err
	}
	for _, r := range placed {
		length := r.blocks * blockBytes
		if err := w.out.writeBlock(r.start, content[:length]); err != nil {
			return nil, err
		}
		content = content[length:]
		last := len(runs) - 1
		if last >= 0 && runs[last].isBefore(r.start, r.logical) && runs[last].blocks+r.blocks <= maxExtentBlocks {
			runs[last].blocks += r.blocks
			continue
		}
		runs = append(runs, r)
	}
	return runs, nil
}

// SparseBlocks counts the blocks that PutSparse needs for the content of a file of size bytes.
func SparseBlocks(size int64, content io.Reader) (uint64, error) {
	var blocks uint64
	chunk := make([]byte, holeBytes)
	for at := int64(0); at < size; at += holeBytes {
		length := min(size-at, holeBytes)
		if _, err := io.ReadFull(content, chunk[:length]); err != nil {
			return 0, err
		}
		if !isZero(chunk[:length]) {
			blocks += BlocksOf(length)
		}
	}
	return blocks, nil
}
