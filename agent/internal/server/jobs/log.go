package jobs

import "sort"

const (
	// segmentBytes is how much output of one kind is kept and dropped together.
	segmentBytes = 64 << 10
	// segmentCost is what a segment takes besides its bytes. It counts, because a program may write single
	// bytes to both outputs in turn.
	segmentCost = 64
)

// segment is output of one kind (execframe.Stdout or Stderr). Its bytes are never changed once written.
type segment struct {
	kind byte
	at   int64
	data []byte
}

func (s segment) end() int64 { return s.at + int64(len(s.data)) }

// log keeps the newest output of a job. The position of a byte is how many bytes of output, of both kinds,
// came before it; a cursor is the position of the next byte to read.
type log struct {
	segments []segment
	// next is the position of the byte that comes next.
	next int64
	cost int
}

// first is the position of the oldest byte that is kept.
func (l *log) first() int64 {
	if len(l.segments) == 0 {
		return l.next
	}
	return l.segments[0].at
}

func (l *log) add(kind byte, p []byte) {
	for len(p) > 0 {
		last := len(l.segments) - 1
		if last < 0 || l.segments[last].kind != kind || len(l.segments[last].data) >= segmentBytes {
			l.segments = append(l.segments, segment{kind: kind, at: l.next})
			l.cost += segmentCost
			last++
		}
		to := &l.segments[last]
		n := min(len(p), segmentBytes-len(to.data))
		before := cap(to.data)
		to.data = append(to.data, p[:n]...)
		l.cost += cap(to.data) - before
		l.next += int64(n)
		p = p[n:]
	}
}

// drop forgets the oldest segment. It returns false when there is none.
func (l *log) drop() bool {
	if len(l.segments) == 0 {
		return false
	}
	l.cost -= segmentCost + cap(l.segments[0].data)
	l.segments[0] = segment{}
	l.segments = l.segments[1:]
	return true
}

// read returns output of one kind from the cursor on. When the bytes there were dropped, it starts with the
// oldest one that is kept. At the end it returns no data. The caller must not change the data.
func (l *log) read(cursor int64) segment {
	cursor = max(cursor, l.first())
	i := sort.Search(len(l.segments), func(i int) bool { return l.segments[i].end() > cursor })
	if i == len(l.segments) {
		return segment{at: l.next}
	}
	found := l.segments[i]
	return segment{found.kind, cursor, found.data[cursor-found.at:]}
}
