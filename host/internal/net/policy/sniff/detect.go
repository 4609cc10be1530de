package sniff

import "bytes"

// protocol is what the first bytes of a client show.
type protocol int

const (
	undecided protocol = iota
	tlsProtocol
	httpProtocol
	otherProtocol
)

// detect returns the protocol that input begins with; it has no blanks before it. scanned is how many bytes
// an earlier call has searched for the end of the first line; it returns the new count.
//
// A server may be more lenient than a client should rely on, so what any server could take for a request
// counts as HTTP: it is then parsed strictly, and refused if that fails.
func detect(input []byte, scanned int) (protocol, int) {
	if input[0] == handshakeRecord {
		switch {
		case len(input) == 1:
			return undecided, 0
		case input[1] == 3:
			return tlsProtocol, 0
		default:
			return otherProtocol, 0
		}
	}
	word := 0
	for word < len(input) && isTokenChar(input[word]) {
		word++
	}
	if word == len(input) {
		return undecided, 0
	}
	if word == 0 || !isBlank(input[word]) {
		return otherProtocol, 0
	}
	end := bytes.IndexByte(input[scanned:], '\n')
	if end < 0 {
		if bytes.IndexByte(input[scanned:], 0) >= 0 {
			return otherProtocol, 0
		}
		return undecided, len(input)
	}
	return lineProtocol(input[:scanned+end]), 0
}

// lineProtocol judges a whole first line. A GET without a version is HTTP/0.9.
func lineProtocol(line []byte) protocol {
	if bytes.Contains(bytes.ToUpper(line), []byte("HTTP/")) || bytes.HasPrefix(line, []byte("GET ")) {
		return httpProtocol
	}
	return otherProtocol
}

// leadingBlanks counts what lenient servers skip before a request.
func leadingBlanks(input []byte) int {
	count := 0
	for count < len(input) && isBlank(input[count]) {
		count++
	}
	return count
}

func isBlank(char byte) bool {
	return char == ' ' || '\t' <= char && char <= '\r'
}

// isTokenChar reports whether methods and names of header fields may have char.
func isTokenChar(char byte) bool {
	switch {
	case 'a' <= char && char <= 'z', 'A' <= char && char <= 'Z', '0' <= char && char <= '9':
		return true
	default:
		return bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), char) >= 0
	}
}
