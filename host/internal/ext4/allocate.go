package ext4

// maxExtentBlocks is the length that an extent can have.
const maxExtentBlocks = 32768

// run is a range of blocks.
type run struct{ start, blocks uint64 }

// allocator hands out the blocks that are not reserved, in order.
type allocator struct {
	layout
	next uint64
}

func newAllocator(l layout) *allocator { return &allocator{layout: l, next: l.reserved(0)} }

// take returns blocks as runs of at most maxExtentBlocks, or ErrFull when there are not as many.
func (a *allocator) take(blocks uint64) ([]run, error) {
	var runs []run
	for blocks > 0 {
		group := a.next / blocksPerGroup
		if a.next == a.start(group) {
			a.next += a.reserved(group)
		}
		if group >= a.groups || a.next >= a.blocks {
			return nil, ErrFull
		}
		length := min(blocks, a.end(group)-a.next)
		if last := len(runs) - 1; last >= 0 && runs[last].start+runs[last].blocks == a.next && runs[last].blocks+length <= maxExtentBlocks {
			runs[last].blocks += length
		} else {
			runs = append(runs, run{a.next, length})
		}
		a.next += length
		blocks -= length
	}
	return runs, nil
}

// used is how many blocks of a group are taken; they are its first ones.
func (a *allocator) used(group uint64) uint64 {
	taken := min(max(a.next, a.start(group)), a.end(group)) - a.start(group)
	return max(taken, a.reserved(group))
}
