package ext4

import (
	"io"
	"os"
)

// chunkBytes is how much is written at once.
const chunkBytes = 256 << 10

// output writes blocks to the image. Neighbours that come one after the other are written together; a chunk
// of zeros becomes a hole.
type output struct {
	file *os.File
	// at is the offset of the first byte in pending.
	at      int64
	pending []byte
}

func newOutput(file *os.File) *output {
	return &output{file: file, pending: make([]byte, 0, chunkBytes)}
}

func (o *output) writeBlock(block uint64, content []byte) error {
	return o.write(int64(block)*blockBytes, content)
}

// write writes content at an offset. It may be in memory until flush.
func (o *output) write(offset int64, content []byte) error {
	for len(content) > 0 {
		if offset != o.at+int64(len(o.pending)) || len(o.pending) == chunkBytes {
			if err := o.flush(); err != nil {
				return err
			}
			o.at = offset
		}
		n := min(len(content), chunkBytes-len(o.pending))
		o.pending = append(o.pending, content[:n]...)
		content, offset = content[n:], offset+int64(n)
	}
	return nil
}

// fill reads size bytes of a stream to an offset.
func (o *output) fill(offset, size int64, from io.Reader) error {
	for size > 0 {
		if offset != o.at+int64(len(o.pending)) || len(o.pending) == chunkBytes {
			if err := o.flush(); err != nil {
				return err
			}
			o.at = offset
		}
		n := int(min(size, int64(chunkBytes-len(o.pending))))
		room := o.pending[len(o.pending) : len(o.pending)+n]
		if _, err := io.ReadFull(from, room); err != nil {
			return err
		}
		o.pending = o.pending[:len(o.pending)+n]
		size, offset = size-int64(n), offset+int64(n)
	}
	return nil
}

func (o *output) flush() error {
	content, at := o.pending, o.at
	o.at += int64(len(content))
	o.pending = o.pending[:0]
	if isZero(content) {
		return nil
	}
	_, err := o.file.WriteAt(content, at)
	return err
}

func isZero(content []byte) bool {
	for _, b := range content {
		if b != 0 {
			return false
		}
	}
	return true
}
