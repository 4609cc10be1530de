package ext4

import "encoding/binary"

const (
	journalMagic = 0xC03B3998
	// journalSuper is the type of a superblock with a version.
	journalSuper = 4
)

// writeJournal makes the empty journal. Its other blocks are holes: the kernel writes each before it reads
// it.
func (w *Writer) writeJournal() error {
	runs, err := w.blocks.take(w.layout.journalBlocks)
	if err != nil {
		return err
	}
	be, b := binary.BigEndian, make([]byte, blockBytes)
	be.PutUint32(b[0x00:], journalMagic)
	be.PutUint32(b[0x04:], journalSuper)
	be.PutUint32(b[0x0C:], blockBytes)
	be.PutUint32(b[0x10:], uint32(w.layout.journalBlocks))
	be.PutUint32(b[0x14:], 1) // first block of the log
	be.PutUint32(b[0x18:], 1) // first sequence number
	be.PutUint32(b[0x40:], 1) // file systems that use it
	if err := w.out.writeBlock(runs[0].start, b); err != nil {
		return err
	}
	w.journal = inode{
		Attributes: Attributes{Mode: 0o600, Modified: w.Made},
		number:     inodeJournal,
		kind:       typeFile,
		links:      1,
		size:       w.layout.journalBlocks * blockBytes,
	}
	return w.finish(&w.journal, runs)
}
