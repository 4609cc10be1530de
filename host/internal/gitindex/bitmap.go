package gitindex

// bitmap is a set of numbers from 0 on.
type bitmap struct {
	words []uint64
	size  uint32
}

func (b *bitmap) set(at int) {
	for at/64 >= len(b.words) {
		b.words = append(b.words, 0)
	}
	b.words[at/64] |= 1 << (at % 64)
	b.size = max(b.size, uint32(at)+1)
}

// literalWords is where the first word of an EWAH bitmap has how many words follow as they are.
const literalWords = 33

// append writes the set as an EWAH bitmap (gitformat-bitmap(5), appendix A), not compressed: number of bits,
// number of words, one word that says that all others are as they are, these, and the place of that word.
func (b *bitmap) append(out []byte) []byte {
	out = be.AppendUint32(out, b.size)
	out = be.AppendUint32(out, uint32(1+len(b.words)))
	out = be.AppendUint64(out, uint64(len(b.words))<<literalWords)
	for _, word := range b.words {
		out = be.AppendUint64(out, word)
	}
	return be.AppendUint32(out, 0)
}
