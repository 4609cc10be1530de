package sniff

import (
	"bytes"
	"strconv"
	"strings"
)

// maxChunkLineBytes bounds the line before a chunk of a body, and each line after the last chunk.
const maxChunkLineBytes = 4096

// chunkPart is what comes next in a chunked body.
type chunkPart int

const (
	chunkSize chunkPart = iota
	chunkEnd
	trailer
)

// chunks finds the end of a chunked body.
type chunks struct {
	part chunkPart
	// left is how many bytes of the current chunk are to come.
	left int64
}

// step consumes bytes of a body. It returns how many, 0 when it needs more, and whether the body has ended.
func (c *chunks) step(input []byte) (used int, isEnd bool, reason string) {
	if c.left > 0 {
		used := int(min(c.left, int64(len(input))))
		c.left -= int64(used)
		return used, false, ""
	}
	const malformed = "the body of its HTTP request is malformed"
	end := bytes.IndexByte(input[:min(len(input), maxChunkLineBytes)], '\n')
	if end < 0 {
		if len(input) >= maxChunkLineBytes {
			return 0, false, malformed
		}
		return 0, false, ""
	}
	if end == 0 || input[end-1] != '\r' || bytes.IndexByte(input[:end-1], '\r') >= 0 {
		return 0, false, malformed
	}
	line := string(input[:end-1])
	switch c.part {
	case chunkEnd:
		if line != "" {
			return 0, false, malformed
		}
		c.part = chunkSize
	case trailer:
		if line == "" {
			return end + 1, true, ""
		}
		if _, _, isValid := parseField([]byte(line)); !isValid {
			return 0, false, malformed
		}
	case chunkSize:
		size, _, _ := strings.Cut(line, ";")
		size = strings.TrimRight(size, " \t")
		if size == "" || strings.Trim(size, "0123456789abcdefABCDEF") != "" {
			return 0, false, malformed
		}
		var err error
		if c.left, err = strconv.ParseInt(size, 16, 63); err != nil {
			return 0, false, malformed
		}
		c.part = chunkEnd
		if c.left == 0 {
			c.part = trailer
		}
	}
	return end + 1, false, ""
}
