package ext4

const (
	extentMagic      = 0xF30A
	extentEntryBytes = 12
	extentsInInode   = 4
	extentsInBlock   = (blockBytes - extentEntryBytes) / extentEntryBytes
)

// setExtents stores where the content of a file is. Trees of more than 4 extents need blocks of their own,
// which write gets; they have one level, enough for a file of 170 GB.
func (n *inode) setExtents(seed uint32, runs []run, take func(blocks uint64) ([]run, error), write func(block uint64, content []byte) error) error {
	n.hasExtents = true
	for _, r := range runs {
		n.blocks += r.blocks
	}
	if len(runs) <= extentsInInode {
		putHeader(n.body[:], len(runs), extentsInInode, 0)
		putLeaves(n.body[extentEntryBytes:], runs)
		return nil
	}
	leaves := (len(runs) + extentsInBlock - 1) / extentsInBlock
	if leaves > extentsInInode {
		return ErrFull
	}
	putHeader(n.body[:], leaves, extentsInInode, 1)
	for at := range leaves {
		part := runs[at*extentsInBlock : min((at+1)*extentsInBlock, len(runs))]
		place, err := take(1)
		if err != nil {
			return err
		}
		n.blocks++
		entry := n.body[(at+1)*extentEntryBytes:]
		le.PutUint32(entry, uint32(part[0].logical))
		le.PutUint32(entry[4:], uint32(place[0].start))
		block := make([]byte, blockBytes)
		putHeader(block, len(part), extentsInBlock, 0)
		putLeaves(block[extentEntryBytes:], part)
		tail := blockBytes - 4
		le.PutUint32(block[tail:], crc32c(inodeSeed(seed, n.number), block[:tail]))
		if err := write(place[0].start, block); err != nil {
			return err
		}
	}
	return nil
}

func putHeader(b []byte, entries, most, depth int) {
	le.PutUint16(b, extentMagic)
	le.PutUint16(b[2:], uint16(entries))
	le.PutUint16(b[4:], uint16(most))
	le.PutUint16(b[6:], uint16(depth))
}

func putLeaves(b []byte, runs []run) {
	for at, r := range runs {
		entry := b[at*extentEntryBytes:]
		le.PutUint32(entry, uint32(r.logical))
		le.PutUint16(entry[4:], uint16(r.blocks))
		le.PutUint32(entry[8:], uint32(r.start))
	}
}
