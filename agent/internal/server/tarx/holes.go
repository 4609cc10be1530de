package tarx

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// sparseKey is the key of a PAX record with the value "1" that marks a file with holes. The archive still
// contains the whole content, zeros included. So an archive cannot expand to more than its own size, as one
// with a map of holes could. When such a file is unpacked, blocks of zeros take no space.
const sparseKey = "FILE.sparse"

var sparseRecords = map[string]string{sparseKey: "1"}

// holeBytes is the minimum length and the alignment of a hole.
const holeBytes = 4096

var zeros [readBytes]byte

func hasHoles(header *tar.Header) bool { return header.PAXRecords[sparseKey] == "1" }

// writeData writes content to a new file at offset, a multiple of holeBytes, and leaves out its blocks of
// zeros.
func writeData(fd int, content []byte, offset int64) error {
	for at := 0; at < len(content); {
		end := at
		for end < len(content) && !isZero(content[end:min(end+holeBytes, len(content))]) {
			end = min(end+holeBytes, len(content))
		}
		for at < end {
			wrote, err := unix.Pwrite(fd, content[at:end], offset+int64(at))
			if err != nil && !errors.Is(err, unix.EINTR) {
				return err
			}
			at += max(wrote, 0)
		}
		at += holeBytes
	}
	return nil
}

func isZero(block []byte) bool { return bytes.Equal(block, zeros[:len(block)]) }

// packHoles packs the first left bytes of a sparse file, without reading its holes.
func (p *packer) packHoles(fd int, name string, left int64) error {
	for offset := int64(0); offset < left; {
		data, err := unix.Seek(fd, offset, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			var info unix.Stat_t
			if err := unix.Fstat(fd, &info); err != nil || info.Size < left {
				return errors.Join(err, shorter(name))
			}
			data, err = left, nil
		}
		if err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
		for data = min(data, left); offset < data; {
			n, err := p.archive.Write(zeros[:min(data-offset, int64(len(zeros)))])
			if err != nil {
				return err
			}
			offset += int64(n)
		}
		if offset == left {
			return nil
		}
		hole, err := unix.Seek(fd, offset, unix.SEEK_HOLE)
		if err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
		if _, err := unix.Seek(fd, offset, unix.SEEK_SET); err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
		if err := p.data(fd, name, min(hole, left)-offset); err != nil {
			return err
		}
		offset = min(hole, left)
	}
	return nil
}
