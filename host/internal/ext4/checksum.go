package ext4

import (
	"encoding/binary"
	"hash/crc32"
)

var le = binary.LittleEndian

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// crc32c continues a checksum as the kernel does, without the inversions of package crc32.
func crc32c(seed uint32, data []byte) uint32 { return ^crc32.Update(^seed, castagnoli, data) }

func crc32cOf(seed uint32, number uint32) uint32 {
	return crc32c(seed, le.AppendUint32(nil, number))
}

// inodeSeed begins the checksums of an inode and of the blocks that belong to it. The generation is 0.
func inodeSeed(seed, number uint32) uint32 { return crc32cOf(crc32cOf(seed, number), 0) }
