package wire

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// A stream of frames, as QEMU's "-netdev stream" sends them:
//
//	+----------------+------------------+----------------+-----
//	| length: uint32 | frame: Ethernet  | length: uint32 | ...
//	+----------------+------------------+----------------+-----

const (
	// MTU is the most bytes of one IP packet.
	MTU = 1500
	// EthernetHeader is two addresses and a type.
	EthernetHeader = 14
	// LengthBytes precede each frame.
	LengthBytes = 4
	// MaxFrame is the most bytes of a frame that is not dropped.
	MaxFrame = EthernetHeader + MTU
	// A VMM that announces more than this does not speak this protocol: QEMU's own limit is lower.
	maxAnnounced = 128 << 10
)

// Reader reads frames.
type Reader struct {
	from    *bufio.Reader
	pending int
}

// NewReader returns a reader of one connection.
func NewReader(from io.Reader) *Reader {
	return &Reader{from: bufio.NewReaderSize(from, 64<<10)}
}

// Next returns the next frame, which is valid until the next call; it skips frames that are too long or
// empty.
func (r *Reader) Next() ([]byte, error) {
	for {
		if _, err := r.from.Discard(r.pending); err != nil {
			return nil, err
		}
		r.pending = 0
		head, err := r.from.Peek(LengthBytes)
		if err != nil {
			return nil, err
		}
		length := binary.BigEndian.Uint32(head)
		if length > maxAnnounced {
			return nil, fmt.Errorf("a frame of %d bytes", length)
		}
		if _, err := r.from.Discard(LengthBytes); err != nil {
			return nil, err
		}
		r.pending = int(length)
		if length == 0 || length > MaxFrame {
			continue
		}
		return r.from.Peek(int(length))
	}
}

// PutHeader writes what precedes an IP packet of size bytes in the stream, into the first bytes of to.
func PutHeader(to []byte, size int, etherType uint16) {
	binary.BigEndian.PutUint32(to, uint32(EthernetHeader+size))
	copy(to[4:], GuestMAC[:])
	copy(to[10:], GatewayMAC[:])
	binary.BigEndian.PutUint16(to[16:], etherType)
}

// HeaderBytes is how many PutHeader writes.
const HeaderBytes = LengthBytes + EthernetHeader
