package ext4

// maxExtentBlocks is the length that an extent can have.
const maxExtentBlocks = 32768

// run is a range of blocks, and where in a file it begins.
type run struct{ start, blocks, logical uint64 }

func (r run) isBefore(block, logical uint64) bool {
	return r.start+r.blocks == block && r.logical+r.blocks == logical
}

// allocator hands out the blocks that are not reserved, in order.
type allocator struct {
	layout
	next uint64
}

func newAllocator(l layout) *allocator { return &allocator{layout: l, next: l.reserved(0)} }

// take returns blocks as runs of at most maxExtentBlocks, or ErrFull when there are not as many.
func (a *allocator) take(blocks uint64) ([]run, error) { return a.extend(nil, 0, blocks) }

// extend adds blocks of a file, from a logical one on, to those that the file has.
func (a *allocator) extend(runs []run, logical, blocks uint64) ([]run, error) {
	for blocks > 0 {
		group := a.next / blocksPerGroup
		if a.next == a.start(group) {
			a.next += a.reserved(group)
		}
		if group >= a.groups || a.next >= a.blocks {
			return nil, ErrFull
		}
		length := min(blocks, a.end(group)-a.next)
		if last := len(runs) - 1; last >= 0 && runs[last].isBefore(a.next, logical) && runs[last].blocks+length <= maxExtentBlocks {
			runs[last].blocks += length
		} else {
			runs = append(runs, run{a.next, length, logical})
		}
		a.next += length
		logical += length
		blocks -= length
	}
	return runs, nil
}

// used is how many blocks of a group are taken; they are its first ones.
func (a *allocator) used(group uint64) uint64 {
	taken := min(max(a.next, a.start(group)), a.end(group)) - a.start(group)
	return max(taken, a.reserved(group))
}
