// Package layers reads the layers of an image: tar streams, maybe compressed, that anybody may have made.
package layers

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const (
	bufferBytes = 256 << 10
	// maxWindowBytes is how far back a zstd stream may refer: what zstd uses at its highest level. It bounds
	// the memory of a decompressor.
	maxWindowBytes = 128 << 20
)

var (
	gzipMagic = []byte{0x1F, 0x8B}
	zstdMagic = []byte{0x28, 0xB5, 0x2F, 0xFD}
	xzMagic   = []byte{0xFD, '7', 'z', 'X', 'Z', 0}
	// A bzip2 stream begins with its block size, 1 to 9, after this.
	bzip2Magic = []byte("BZh")
)

// Compression is how a stream is compressed.
type Compression uint8

// Compressions that can be read.
const (
	None Compression = iota
	Gzip
	Zstd
	unsupported
)

// MagicBytes is how many bytes of a stream tell its compression.
const MagicBytes = 6

// CompressionOf recognises a compression by the first bytes of a stream: media types are often wrong.
func CompressionOf(start []byte) Compression {
	switch {
	case bytes.HasPrefix(start, gzipMagic):
		return Gzip
	case bytes.HasPrefix(start, zstdMagic), isSkippable(start):
		return Zstd
	case bytes.HasPrefix(start, xzMagic), bytes.HasPrefix(start, bzip2Magic):
		return unsupported
	}
	return None
}

// Decompress returns the content of a stream that is compressed with gzip, with zstd or not at all. The
// caller closes the result.
func Decompress(stream io.Reader) (io.ReadCloser, error) {
	buffered := bufio.NewReaderSize(stream, bufferBytes)
	// An error comes again with the first read.
	start, _ := buffered.Peek(MagicBytes)
	switch CompressionOf(start) {
	case Gzip:
		return gzip.NewReader(buffered)
	case Zstd:
		decoder, err := zstd.NewReader(buffered,
			zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindowBytes))
		if err != nil {
			return nil, err
		}
		return decoder.IOReadCloser(), nil
	case unsupported:
		return nil, errors.New("it is compressed with xz or bzip2, and only gzip and zstd can be read")
	}
	return io.NopCloser(buffered), nil
}

// isSkippable reports whether a zstd stream begins with a frame that a decompressor skips.
func isSkippable(start []byte) bool {
	return len(start) >= 4 && start[0]&0xF0 == 0x50 && bytes.Equal(start[1:4], []byte{0x2A, 0x4D, 0x18})
}
