package boot

import "fmt"

// The root file system is one device-mapper device of two parts:
//
//	device   0                  S                       S + tail
//	         +------------------+-----------------------+
//	         | snapshot         | linear                |
//	         +------------------+-----------------------+
//	           reads:  root drive (S sectors), until written
//	           writes: overlay drive, [0, store)     overlay drive, [store, store + tail)
//
// The store is the kernel's persistent exception store (drivers/md/dm-snap-persistent.c) with chunks of 8
// sectors: a header chunk, then areas of one chunk of metadata (256 entries of 16 bytes) and the 256 chunks
// it maps. As soon as an area is full, the kernel clears the metadata chunk of the next one. So an image of N
// chunks, once all of it has been written to, needs
//
//	1 + N + floor(N/256) + 1 chunks
//
// When a smaller store runs out, the kernel marks it invalid: every read of the root is then an I/O error,
// not ENOSPC. So the store has twice the metadata and 4 MiB more: S + ceil(S/128) + 8192 sectors, rounded up
// to 1 MiB. The host creates the overlay drive with the same formula (src/core/overlay-size.ts);
// test/fixtures/overlay-size.json has examples that test both sides.
//
// Discards are the reason why the snapshot is a device of its own below the root. A snapshot takes discards
// only in pieces of one chunk. In one device with the tail, the tail would get such pieces too, a quarter of
// a million for a GiB. And a snapshot must never get a larger piece: it would pass it on to the store, where
// the following blocks belong to other chunks. With two devices, the root takes discards of any size, and the
// kernel splits only those for the snapshot.
const (
	sectorBytes       = 512
	chunkSectors      = 8
	storeSlackSectors = 8192
	storeAlignSectors = 2048
	// maxBytes bounds an image and the free space, 16 TiB each: ext4 with blocks of 4 KiB ends there without the
	// 64bit feature.
	maxBytes = 1 << 44
)

// layout divides the overlay drive; all sizes are in sectors of 512 bytes.
type layout struct {
	image uint64
	store uint64
	tail  uint64
}

// planLayout computes the layout for an image of imageSectors and freeBytes of free space on top of it. The
// free space is rounded up to 4 KiB.
func planLayout(imageSectors, freeBytes uint64) (layout, error) {
	if imageSectors == 0 || imageSectors%chunkSectors != 0 || imageSectors > maxBytes/sectorBytes {
		return layout{}, fmt.Errorf("image of %d sectors is not 1 to %d chunks of %d sectors",
			imageSectors, uint64(maxBytes/sectorBytes/chunkSectors), chunkSectors)
	}
	if freeBytes > maxBytes {
		return layout{}, fmt.Errorf("free space of %d bytes is more than %d", freeBytes, uint64(maxBytes))
	}
	return layout{
		image: imageSectors,
		store: roundUp(imageSectors+divideUp(imageSectors, 128)+storeSlackSectors, storeAlignSectors),
		tail:  roundUp(divideUp(freeBytes, sectorBytes), chunkSectors),
	}, nil
}

// overlaySectors is the minimum size of the overlay drive.
func (l layout) overlaySectors() uint64 { return l.store + l.tail }

// rootSectors is the size of the device-mapper device.
func (l layout) rootSectors() uint64 { return l.image + l.tail }

// target is a line of a device-mapper table.
type target struct {
	start, length uint64
	kind, params  string
}

// imageTable returns the table of the snapshot over the drives with these "major:minor" numbers. With
// discards it needs Linux 5.3; every kernel knows it without them.
func (l layout) imageTable(root, overlay string, hasDiscards bool) []target {
	params := fmt.Sprintf("%s %s P %d", root, overlay, chunkSectors)
	if hasDiscards {
		params += " 1 discard_zeroes_cow"
	}
	return []target{{0, l.image, "snapshot", params}}
}

// rootTable returns the table of the root over the snapshot and the rest of the overlay drive.
func (l layout) rootTable(image, overlay string) []target {
	targets := []target{{0, l.image, "linear", image + " 0"}}
	if l.tail > 0 {
		targets = append(targets, target{l.image, l.tail, "linear", fmt.Sprintf("%s %d", overlay, l.store)})
	}
	return targets
}

func divideUp(n, by uint64) uint64 { return (n + by - 1) / by }

func roundUp(n, to uint64) uint64 { return divideUp(n, to) * to }
