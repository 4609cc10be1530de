// Package overlay reads a VM's root device from the host: the image below, and the overlay drive with what
// the guest has written. No device-mapper, no root and no guest are needed.
//
//	device          0                S                  S + T
//	                +----------------+------------------+
//	                | snapshot       | linear           |
//	                +----------------+------------------+
//	overlay drive   [0, store)       [store, store + T)
//
// The store is the kernel's persistent exception store (drivers/md/dm-snap-persistent.c), whose numbers are
// little-endian. Its chunks:
//
//	0        header: magic number, whether it is valid, version, sectors of a chunk
//	1        256 exceptions of 16 bytes: a chunk of the device, and the chunk of the store that has it
//	2 - 257  chunks with content
//	258      the next 256 exceptions, and so on; an exception of zeros is the end
//
// The drive may hold anything: a guest wrote it.
package overlay

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	sectorBytes     = 512
	chunkBytes      = 4096
	storeSlack      = 8192 * sectorBytes
	storeAlign      = 2048 * sectorBytes
	magic           = 0x70416E53
	version         = 1
	exceptionBytes  = 16
	exceptionsInOne = chunkBytes / exceptionBytes
	maxBytes        = 1 << 44
)

var le = binary.LittleEndian

// View is a root device. It reads the base where the guest has written nothing.
type View struct {
	base, drive          io.ReaderAt
	baseBytes, tailBytes int64
	storeBytes           int64
	// moved has where the drive has the chunks that the guest has written.
	moved map[int64]int64
}

// StoreBytes returns how much of an overlay drive is the store, for a base of that size.
func StoreBytes(baseBytes int64) int64 {
	sectors := baseBytes / sectorBytes
	size := baseBytes + (sectors+127)/128*sectorBytes + storeSlack
	return (size + storeAlign - 1) / storeAlign * storeAlign
}

// Open reads which chunks the guest has written. A drive of zeros belongs to a VM that has never booted.
func Open(base io.ReaderAt, baseBytes int64, drive io.ReaderAt, driveBytes int64) (*View, error) {
	if baseBytes <= 0 || baseBytes%chunkBytes != 0 || baseBytes > maxBytes || driveBytes > 3*maxBytes {
		return nil, fmt.Errorf("an image of %d bytes with an overlay drive of %d bytes is not supported", baseBytes, driveBytes)
	}
	v := &View{base: base, drive: drive, baseBytes: baseBytes, storeBytes: StoreBytes(baseBytes), moved: map[int64]int64{}}
	if v.tailBytes = driveBytes - v.storeBytes; v.tailBytes < 0 {
		return nil, fmt.Errorf("the overlay drive has %d bytes, of %d at least", driveBytes, v.storeBytes)
	}
	header := make([]byte, chunkBytes)
	if _, err := drive.ReadAt(header, 0); err != nil {
		return nil, fmt.Errorf("read the overlay drive: %w", err)
	}
	if le.Uint32(header) == 0 {
		return v, nil
	}
	if le.Uint32(header) != magic || le.Uint32(header[8:]) != version || le.Uint32(header[12:]) != chunkBytes/sectorBytes {
		return nil, errors.New("the overlay drive has no snapshot store")
	}
	if le.Uint32(header[4:]) != 1 {
		return nil, errors.New("the guest's kernel has marked the snapshot store as invalid")
	}
	return v, v.readExceptions()
}

func (v *View) readExceptions() error {
	chunks := v.storeBytes / chunkBytes
	area := make([]byte, chunkBytes)
	for at := int64(1); at < chunks; at += exceptionsInOne + 1 {
		if _, err := v.drive.ReadAt(area, at*chunkBytes); err != nil {
			return fmt.Errorf("read the overlay drive: %w", err)
		}
		for from := 0; from < chunkBytes; from += exceptionBytes {
			chunk, place := le.Uint64(area[from:]), le.Uint64(area[from+8:])
			if place == 0 {
				return nil
			}
			if chunk >= uint64(v.baseBytes/chunkBytes) || place >= uint64(chunks) {
				return errors.New("the snapshot store names a chunk that does not exist")
			}
			v.moved[int64(chunk)] = int64(place) * chunkBytes
		}
	}
	return nil
}

// Size returns the bytes of the device.
func (v *View) Size() int64 { return v.baseBytes + v.tailBytes }

// IsOfBase reports whether a range is as the base has it.
func (v *View) IsOfBase(at, length int64) bool {
	if at < 0 || length < 0 || at > v.baseBytes-length {
		return false
	}
	for chunk := at / chunkBytes; chunk*chunkBytes < at+length; chunk++ {
		if _, isMoved := v.moved[chunk]; isMoved {
			return false
		}
	}
	return true
}

// ReadAt reads the device.
func (v *View) ReadAt(p []byte, offset int64) (int, error) {
	done := 0
	for done < len(p) {
		at := offset + int64(done)
		if at < 0 || at >= v.Size() {
			return done, io.EOF
		}
		from, place, length := v.place(at)
		part := p[done:]
		if int64(len(part)) > length {
			part = part[:length]
		}
		n, err := from.ReadAt(part, place)
		done += n
		if err != nil && (err != io.EOF || n < len(part)) {
			return done, err
		}
	}
	return done, nil
}

// place returns what has the byte, where, and how many bytes follow one another there.
func (v *View) place(at int64) (from io.ReaderAt, place, length int64) {
	if at >= v.baseBytes {
		return v.drive, v.storeBytes + at - v.baseBytes, v.Size() - at
	}
	chunk := at / chunkBytes
	if moved, isMoved := v.moved[chunk]; isMoved {
		return v.drive, moved + at%chunkBytes, chunkBytes - at%chunkBytes
	}
	end := (chunk + 1) * chunkBytes
	for end < v.baseBytes && end-at < 1<<20 {
		if _, isMoved := v.moved[end/chunkBytes]; isMoved {
			break
		}
		end += chunkBytes
	}
	return v.base, at, end - at
}
