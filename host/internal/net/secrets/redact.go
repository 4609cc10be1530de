package secrets

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
)

// minRedactedBytes is the shortest text that is taken out of answers: a shorter one may be there by chance.
const minRedactedBytes = 8

const redactedBytes = 32 << 10

// redaction takes what was sent for placeholders out of an answer.
type redaction struct {
	// longest first, so that none hides a longer one
	sent []pair
}

func (s *swap) redaction() redaction {
	var made redaction
	for _, each := range s.sent {
		if len(each.sent) >= minRedactedBytes {
			made.sent = append(made.sent, each)
		}
	}
	slices.SortStableFunc(made.sent, func(one, other pair) int { return len(other.sent) - len(one.sent) })
	return made
}

// header puts the texts of the guest back, which works in a redirect and in a cookie.
func (r redaction) header(header http.Header) {
	if len(r.sent) == 0 {
		return
	}
	var pairs []string
	for _, each := range r.sent {
		pairs = append(pairs, each.sent, each.guest)
	}
	replacer := strings.NewReplacer(pairs...)
	for _, values := range header {
		for at, value := range values {
			values[at] = replacer.Replace(value)
		}
	}
}

// body returns a body in which asterisks stand for what was sent: its length stays. atEnd is called once the
// body has been read to its end.
func (r redaction) body(body io.ReadCloser, atEnd func()) io.ReadCloser {
	made := &redacted{source: body, atEnd: atEnd}
	for _, each := range r.sent {
		made.patterns = append(made.patterns, []byte(each.sent))
	}
	return made
}

type redacted struct {
	source   io.ReadCloser
	atEnd    func()
	patterns [][]byte
	// held begins with ready bytes that may leave; the rest may be the beginning of a pattern.
	held  []byte
	ready int
	err   error
}

func (r *redacted) Read(into []byte) (int, error) {
	for r.ready == 0 {
		if r.err != nil {
			if r.err == io.EOF && r.atEnd != nil {
				r.atEnd()
				r.atEnd = nil
			}
			return 0, r.err
		}
		r.fill()
	}
	count := copy(into, r.held[:r.ready])
	r.held = append(r.held[:0], r.held[count:]...)
	r.ready -= count
	return count, nil
}

// fill reads once. What is held then is shorter than the longest pattern, so memory stays bounded.
func (r *redacted) fill() {
	before := len(r.held)
	r.held = slices.Grow(r.held, redactedBytes)
	count, err := r.source.Read(r.held[before : before+redactedBytes])
	r.held = r.held[:before+count]
	r.err = err
	for _, pattern := range r.patterns {
		mask(r.held, pattern)
	}
	r.ready = len(r.held)
	if err == nil {
		r.ready -= longestBeginning(r.held, r.patterns)
	}
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

// longestBeginning returns how many bytes at the end of a text are the beginning of a pattern.
func longestBeginning(text []byte, patterns [][]byte) int {
	longest := 0
	for _, pattern := range patterns {
		for count := min(len(pattern)-1, len(text)); count > longest; count-- {
			if bytes.HasPrefix(pattern, text[len(text)-count:]) {
				longest = count
			}
		}
	}
	return longest
}

func (r *redacted) Close() error { return r.source.Close() }
