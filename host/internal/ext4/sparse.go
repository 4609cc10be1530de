package ext4

import "io"

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
