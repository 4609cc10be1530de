package secrets

import (
	"bytes"
	"io"
	"net"
	"sync"
	"time"
)

const redactedBytes = 32 << 10

// redacted masks patterns in what it reads. The end of what has come is held back, because a pattern may have
// begun there. How much of it, and how long, must not depend on whether one has: a guest that decides what a
// server sends would otherwise find a value out byte by byte, by what is held back. So it is as much as the
// longest pattern, except that no pattern goes on behind the end of a line, and it leaves when nothing has
// come for a while.
type redacted struct {
	source   io.ReadCloser
	atEnd    func()
	patterns [][]byte
	// keep is one less than the length of the longest pattern.
	keep  int
	quiet time.Duration
	// held begins with left bytes that have left, followed by those that may; ready is the end of these.
	held        []byte
	left, ready int
	err         error
	chunks      chan chunk
	begin, end  sync.Once
	done        chan struct{}
}

type chunk struct {
	text []byte
	err  error
}

func (r redaction) reader(source io.ReadCloser, quiet time.Duration, atEnd func()) *redacted {
	made := &redacted{source: source, atEnd: atEnd, quiet: quiet, chunks: make(chan chunk), done: make(chan struct{})}
	for _, each := range r.sent {
		made.patterns = append(made.patterns, []byte(each.sent))
		made.keep = max(made.keep, len(each.sent)-1)
	}
	return made
}

func (r *redacted) Read(into []byte) (int, error) {
	r.begin.Do(func() { go r.receive() })
	for r.left == r.ready {
		if r.err != nil {
			if r.err == io.EOF && r.atEnd != nil {
				r.atEnd()
				r.atEnd = nil
			}
			return 0, r.err
		}
		r.fill()
	}
	count := copy(into, r.held[r.left:r.ready])
	r.left += count
	return count, nil
}

// receive reads the source until it ends. What it passes on is copied before the second next read.
func (r *redacted) receive() {
	var buffers [2][redactedBytes]byte
	for turn := 0; ; turn = 1 - turn {
		count, err := r.source.Read(buffers[turn][:])
		select {
		case r.chunks <- chunk{buffers[turn][:count], err}:
		case <-r.done:
			return
		}
		if err != nil {
			return
		}
	}
}

// fill waits for more. It keeps no more than the longest pattern beside that, so memory stays bounded.
func (r *redacted) fill() {
	var isQuiet <-chan time.Time
	if r.ready < len(r.held) {
		timer := time.NewTimer(r.quiet)
		defer timer.Stop()
		isQuiet = timer.C
	}
	select {
	case next := <-r.chunks:
		r.add(next)
	case <-isQuiet:
		r.ready = len(r.held)
	case <-r.done:
		r.err = net.ErrClosed
	}
}

func (r *redacted) add(next chunk) {
	// What has left is still needed to find a pattern whose end comes now.
	gone := max(0, r.left-r.keep)
	r.held = append(append(r.held[:0], r.held[gone:]...), next.text...)
	r.left -= gone
	r.err = next.err
	for _, pattern := range r.patterns {
		mask(r.held, pattern)
	}
	r.ready = len(r.held)
	if r.err == nil {
		r.ready = max(r.left, len(r.held)-r.openBytes())
	}
}

// openBytes is the length of the end of held in which a pattern may have begun. No pattern has a control
// character.
func (r *redacted) openBytes() int {
	most := min(r.keep, len(r.held))
	for count := range most {
		if char := r.held[len(r.held)-1-count]; char < ' ' || char == 0x7f {
			return count
		}
	}
	return most
}

func mask(text, pattern []byte) {
	for at := 0; ; {
		found := bytes.Index(text[at:], pattern)
		if found < 0 {
			return
		}
		at += found
		for next := at; next < at+len(pattern); next++ {
			text[next] = '*'
		}
		at += len(pattern)
	}
}

// Close ends a Read that waits, too.
func (r *redacted) Close() error {
	r.end.Do(func() { close(r.done) })
	return r.source.Close()
}
