package tarx

import (
	"archive/tar"
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strconv"
	"time"
)

const blockBytes = 512

// maxPaxBytes is the largest PAX header that reader parses itself. It must fit into the stream's buffer
// together with two blocks.
const maxPaxBytes = 16 << 10

// reader reads an archive. It parses plain headers itself, which GNU tar and git write for all but unusual
// files: package archive/tar allocates thirty objects for each, which is half of the work of unpacking small
// files. From the first header of another kind on, that package reads the rest of the stream.
type reader struct {
	stream *bufio.Reader
	header tar.Header
	// left and padding are the unread bytes of the current entry.
	left, padding int64
	// other reads the rest of the stream, once it is set.
	other *tar.Reader
	watch *endWatch
}

func newReader(stream *bufio.Reader) *reader { return &reader{stream: stream} }

// Next returns the next header, which is valid until the next call, or io.EOF at the end of the archive.
func (r *reader) Next() (*tar.Header, error) {
	if r.other == nil {
		if err := r.skip(); err != nil {
			return nil, err
		}
		size, ok := r.plain()
		if ok {
			_, err := r.stream.Discard(size)
			return &r.header, err
		}
		r.watch = &endWatch{r: r.stream}
		r.other = tar.NewReader(r.watch)
	}
	header, err := r.other.Next()
	if errors.Is(err, io.EOF) && r.watch.ended {
		return nil, refuse("the archive is cut short: it has no end mark")
	}
	return header, err
}

// Read reads the content of the current entry.
func (r *reader) Read(p []byte) (int, error) {
	if r.other != nil {
		return r.other.Read(p)
	}
	if r.left == 0 {
		return 0, io.EOF
	}
	n, err := r.stream.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// skip discards the unread rest of the current entry. If the stream ends in the padding after it, the next
// read reports that the archive has no end mark.
func (r *reader) skip() error {
	for r.left > 0 {
		n, err := r.stream.Discard(int(min(r.left, 1<<20)))
		r.left -= int64(n)
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
	}
	_, err := r.stream.Discard(int(r.padding))
	r.padding = 0
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// plain parses the next header of the stream without consuming it, and returns its length in bytes. It
// returns false for a header of a kind that reader does not parse itself.
func (r *reader) plain() (size int, ok bool) {
	block, err := r.stream.Peek(blockBytes)
	if err != nil || !isUstar(block) {
		return 0, false
	}
	r.header = tar.Header{}
	var pax []byte
	if block[156] == tar.TypeXHeader {
		var n numbers
		if !n.read(block) || n.size == 0 || n.size > maxPaxBytes {
			return 0, false
		}
		length := n.size
		size = blockBytes + int(length+padding(length))
		whole, err := r.stream.Peek(size + blockBytes)
		if err != nil || !isUstar(whole[size:]) {
			return 0, false
		}
		pax, block = whole[blockBytes:blockBytes+length], whole[size:]
	}
	if !r.ustar(block) || !r.pax(pax) {
		return 0, false
	}
	r.left = r.header.Size
	r.padding = padding(r.left)
	return size + blockBytes, true
}

func padding(length int64) int64 { return -length & (blockBytes - 1) }

// isUstar reports whether a block is an undamaged POSIX header. star(1) marks its own headers in the last
// bytes.
func isUstar(block []byte) bool {
	if string(block[257:265]) != "ustar\x0000" || binary.LittleEndian.Uint32(block[508:512]) != 0 {
		return false
	}
	want, ok := octal(block[148:156])
	if !ok {
		return false
	}
	// The bytes of the sum itself count as spaces. Eight bytes are added at a time, as four pairs: 64 times 510
	// fits in 16 bits.
	const pairs = 0x00ff00ff00ff00ff
	var sums uint64
	for at := 0; at < blockBytes; at += 8 {
		word := binary.LittleEndian.Uint64(block[at:])
		if at == 148&^7 {
			word = word&0xffffffff | 0x20202020<<32
		} else if at == 152 {
			word = word&^0xffffffff | 0x20202020
		}
		sums += word&pairs + word>>8&pairs
	}
	return sums&0xffff+sums>>16&0xffff+sums>>32&0xffff+sums>>48 == uint64(want)
}

// octal parses octal digits, which only spaces and zero bytes may follow.
func octal(field []byte) (value int64, ok bool) {
	for at, digit := range field {
		if digit == 0 || digit == ' ' {
			return value, len(bytes.Trim(field[at:], "\x00 ")) == 0
		}
		if digit < '0' || digit > '7' {
			return 0, false
		}
		value = value<<3 | int64(digit-'0')
	}
	return 0, false
}

func text(field []byte) string {
	if end := bytes.IndexByte(field, 0); end >= 0 {
		field = field[:end]
	}
	return string(field)
}

// numbers are the numeric fields of a header block.
type numbers struct{ mode, uid, gid, size, modified, major, minor int64 }

func (n *numbers) read(block []byte) bool {
	for _, number := range [...]struct {
		value *int64
		field []byte
	}{
		{&n.mode, block[100:108]}, {&n.uid, block[108:116]}, {&n.gid, block[116:124]}, {&n.size, block[124:136]}, {&n.modified, block[136:148]},
		{&n.major, block[329:337]}, {&n.minor, block[337:345]},
	} {
		var ok bool
		if *number.value, ok = octal(number.field); !ok {
			return false
		}
	}
	return true
}

// ustar sets the header from a block.
func (r *reader) ustar(block []byte) bool {
	h := &r.header
	var n numbers
	if !n.read(block) {
		return false
	}
	h.Mode, h.Uid, h.Gid, h.Size = n.mode, int(n.uid), int(n.gid), n.size
	h.ModTime = time.Unix(n.modified, 0)
	switch h.Typeflag = block[156]; h.Typeflag {
	case tar.TypeReg:
	case tar.TypeDir, tar.TypeSymlink, tar.TypeLink:
		if h.Size != 0 {
			return false
		}
	default:
		return false
	}
	h.Name = text(block[:100])
	if prefix := text(block[345:500]); prefix != "" {
		h.Name = prefix + "/" + h.Name
	}
	h.Linkname = text(block[157:257])
	return true
}

// pax applies the records of a PAX header, `LENGTH KEY=VALUE\n` each, which override fields of the header;
// see pax(1).
func (r *reader) pax(records []byte) bool {
	for len(records) > 0 {
		length, rest, found := bytes.Cut(records, []byte(" "))
		size, err := strconv.Atoi(string(length))
		if !found || err != nil || length[0] < '1' || length[0] > '9' || size > len(records) || size < len(length)+4 || records[size-1] != '\n' {
			return false
		}
		key, value, found := bytes.Cut(rest[:size-len(length)-2], []byte("="))
		if !found || len(value) == 0 || bytes.IndexByte(value, 0) >= 0 {
			return false
		}
		switch string(key) {
		case "path":
			r.header.Name = string(value)
		case "linkpath":
			r.header.Linkname = string(value)
		case "mtime":
			var ok bool
			if r.header.ModTime, ok = paxTime(value); !ok {
				return false
			}
		case sparseKey:
			if string(value) != "1" {
				return false
			}
			r.header.PAXRecords = sparseRecords
		default:
			return false
		}
		records = records[size:]
	}
	return true
}

// paxTime parses seconds since 1970, with up to nine decimals.
func paxTime(value []byte) (modified time.Time, ok bool) {
	whole, fraction, found := bytes.Cut(value, []byte("."))
	if found && len(fraction) == 0 || len(fraction) > 9 || len(whole) > 11 {
		return time.Time{}, false
	}
	seconds, ok := decimal(whole)
	if !ok {
		return time.Time{}, false
	}
	var digits [9]byte
	copy(digits[:], "000000000")
	copy(digits[:], fraction)
	nanoseconds, ok := decimal(digits[:])
	return time.Unix(seconds, nanoseconds), ok
}

func decimal(digits []byte) (value int64, ok bool) {
	for _, digit := range digits {
		if digit < '0' || digit > '9' {
			return 0, false
		}
		value = value*10 + int64(digit-'0')
	}
	return value, len(digits) > 0
}
