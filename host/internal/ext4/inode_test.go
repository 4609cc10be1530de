package ext4

import (
	"testing"
	"time"
)

// timeIn reads a time of an encoded inode.
func timeIn(encoded []byte, low, extra int) time.Time {
	return time.Unix(int64(le.Uint32(encoded[low:])), int64(le.Uint32(encoded[extra:])>>2))
}

func TestReadingAFileWritesNothing(t *testing.T) {
	for _, modified := range []time.Time{made, made.Add(-time.Hour)} {
		n := inode{Attributes: Attributes{Mode: 0o644, Modified: modified}, number: 12, kind: typeFile, links: 1}
		encoded := n.encode(0, made)
		accessed := timeIn(encoded, 0x08, 0x8C)
		// As relatime_need_update() of the kernel decides.
		if !accessed.After(timeIn(encoded, 0x0C, 0x84)) || !accessed.After(timeIn(encoded, 0x10, 0x88)) {
			t.Errorf("modified at %v, it counts as not read since", modified)
		}
		if accessed.Sub(made) > time.Second {
			t.Errorf("it was read at %v, long after it was made", accessed)
		}
	}
}
