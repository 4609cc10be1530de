// Package hello is the greeting that precedes HTTP/2 on the agent's byte stream.
//
//	host  -> guest   BANGER/<generation> <nonce>\n      nonce: 32 lower-case hex digits
//	guest -> host    BANGER/<generation> <nonce>\n      the same line, echoed
//	host  -> guest   PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n    the greeting is over
//
// The stream may hold anything before a hello: leftovers of an earlier host, or hellos that arrived when no
// agent was reading.
package hello

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// Generation is the version of the protocol (docs/agent-protocol.md).
const Generation = 2

// OldestGeneration is the oldest generation of a host that this agent serves: a VM keeps its agent when
// banger is rolled back to an earlier version.
const OldestGeneration = 1

// Preface is what every HTTP/2 client sends first (RFC 9113, section 3.4).
const Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

const (
	magic       = "BANGER/"
	nonceDigits = 32
	// lineLimit is how many bytes of an unfinished line are kept; a hello has at most 50.
	lineLimit = 128
)

// Line formats a hello of this generation.
func Line(nonce string) []byte {
	return line(Generation, nonce)
}

func line(generation int, nonce string) []byte {
	return fmt.Appendf(nil, "%s%d %s\n", magic, generation, nonce)
}

// Meet answers every hello from r until the HTTP/2 preface follows one, consumes the preface too, and returns
// nil. It discards everything else. It answers a hello of a generation that it does not serve with its own
// generation, and continues. When the stream ends earlier, it returns the error of r or w.
func Meet(r *bufio.Reader, w io.Writer) error {
	tail := make([]byte, 0, 2*lineLimit)
	met := false
	for {
		if met {
			begun, err := prefaceFollows(r)
			if begun || err != nil {
				return err
			}
			met = false
		}
		part, err := r.ReadSlice('\n')
		tail = keepTail(append(tail, part[max(0, len(part)-lineLimit):]...))
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return err
		}
		generation, nonce, ok := parse(bytes.TrimSuffix(tail, []byte("\n")))
		tail = tail[:0]
		if !ok {
			continue
		}
		met = generation >= OldestGeneration && generation <= Generation
		answer := Generation
		if met {
			answer = generation
		}
		if _, err := w.Write(line(answer, nonce)); err != nil {
			return err
		}
	}
}

// keepTail moves the last lineLimit bytes of b to its beginning when there are more.
func keepTail(b []byte) []byte {
	if len(b) <= lineLimit {
		return b
	}
	return b[:copy(b, b[len(b)-lineLimit:])]
}

// parse finds a hello at the end of a line; anything may precede it.
func parse(line []byte) (generation int, nonce string, ok bool) {
	start := bytes.LastIndex(line, []byte(magic))
	if start < 0 {
		return 0, "", false
	}
	version, rest, found := bytes.Cut(line[start+len(magic):], []byte(" "))
	if !found || len(version) == 0 || len(version) > 9 || len(rest) != nonceDigits {
		return 0, "", false
	}
	for _, digit := range version {
		if digit < '0' || digit > '9' {
			return 0, "", false
		}
	}
	for _, digit := range rest {
		if (digit < '0' || digit > '9') && (digit < 'a' || digit > 'f') {
			return 0, "", false
		}
	}
	generation, err := strconv.Atoi(string(version))
	return generation, string(rest), err == nil
}

// prefaceFollows consumes the preface if that comes next. It returns false at the first byte that differs, so
// that it does not wait for a whole preface when another hello follows.
func prefaceFollows(r *bufio.Reader) (bool, error) {
	for n := 1; n <= len(Preface); n++ {
		next, err := r.Peek(n)
		if err != nil {
			return false, err
		}
		if next[n-1] != Preface[n-1] {
			return false, nil
		}
	}
	_, err := r.Discard(len(Preface))
	return true, err
}
