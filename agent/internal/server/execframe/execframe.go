// Package execframe reads and writes the frames inside an exec body.
//
//	+--------+----------------+------------------+
//	| type   | length         | payload          |
//	| 1 byte | 4 bytes, big e.| length bytes     |
//	+--------+----------------+------------------+
package execframe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	// HeaderBytes is the size of a frame's type and length.
	HeaderBytes = 5
	// MaxPayloadBytes is the maximum length of a payload; a longer one ends the stream.
	MaxPayloadBytes = 1 << 20
)

// Types of frames to the guest (below 16) and to the host.
const (
	Start    = 0
	Stdin    = 1
	StdinEnd = 2
	Resize   = 3
	Signal   = 4

	Started  = 16
	Stdout   = 17
	Stderr   = 18
	Exit     = 19
	Error    = 20
	StdinAck = 21

	// Of the output of a job only.
	Position = 22
	Pause    = 23
)

// ErrTooLong is the error for a frame with more than MaxPayloadBytes.
var ErrTooLong = errors.New("frame is longer than 1 MiB")

// PutHeader writes a frame's header into the first HeaderBytes of b.
func PutHeader(b []byte, kind byte, length int) {
	b[0] = kind
	binary.BigEndian.PutUint32(b[1:HeaderBytes], uint32(length))
}

// Append appends a whole frame to b.
func Append(b []byte, kind byte, payload []byte) []byte {
	b = append(b, kind)
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	return append(b, payload...)
}

// Reader reads frames. Read returns the payload of the current frame piece by piece, so that a long one is
// never in memory whole.
type Reader struct {
	r      io.Reader
	header [HeaderBytes]byte
	left   int
}

// NewReader returns a Reader of the frames in r.
func NewReader(r io.Reader) *Reader {
	return &Reader{r: r}
}

// Next skips what is left of the current frame and returns the next one's type and payload length. At the end
// of the stream between two frames it returns io.EOF, inside a frame io.ErrUnexpectedEOF.
func (f *Reader) Next() (kind byte, length int, err error) {
	if f.left > 0 {
		if _, err := io.Copy(io.Discard, f); err != nil {
			return 0, 0, err
		}
	}
	if _, err := io.ReadFull(f.r, f.header[:]); err != nil {
		return 0, 0, err
	}
	size := binary.BigEndian.Uint32(f.header[1:])
	if size > MaxPayloadBytes {
		return 0, 0, fmt.Errorf("%w: type %d, %d bytes", ErrTooLong, f.header[0], size)
	}
	f.left = int(size)
	return f.header[0], f.left, nil
}

// Left returns how many bytes of the current frame's payload are unread.
func (f *Reader) Left() int { return f.left }

// Read reads from the payload of the current frame, and returns io.EOF at its end.
func (f *Reader) Read(p []byte) (int, error) {
	if f.left == 0 {
		return 0, io.EOF
	}
	n, err := f.r.Read(p[:min(len(p), f.left)])
	f.left -= n
	if errors.Is(err, io.EOF) {
		err = nil
		if f.left > 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	return n, err
}

// Payload reads the rest of the current frame.
func (f *Reader) Payload() ([]byte, error) {
	payload := make([]byte, f.left)
	_, err := io.ReadFull(f, payload)
	return payload, err
}
