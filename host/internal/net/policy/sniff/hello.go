package sniff

import "banger.dev/host/internal/net/policy/rule"

// Hello is what a TLS ClientHello says about the server that the client wants.
type Hello struct {
	// Name is the server name in lower case, or empty when there is none.
	Name string
	// IsEncrypted is true when the hello may hold another, encrypted hello (ECH) with another name.
	IsEncrypted bool
	// HasEarlyData is true when application data may precede a second hello.
	HasEarlyData bool
}

// Numbers of TLS.
const (
	clientHello         = 1
	serverNameExtension = 0
	earlyDataExtension  = 42
	echExtension        = 0xfe0d
	// esniExtension is the predecessor of ECH.
	esniExtension = 0xffce
	hostNameType  = 0
	maxExtensions = 200
)

// parseHello reads the body of a ClientHello, without the 4 bytes of its header. It returns why that is none.
func parseHello(body []byte) (Hello, string) {
	in := reader{rest: body}
	version := in.take(2)
	in.take(32)
	in.vector(1)
	in.vector(2)
	in.vector(1)
	if in.isShort || version[0] != 3 {
		return Hello{}, "its TLS hello is malformed"
	}
	if len(in.rest) == 0 {
		return Hello{}, ""
	}
	extensions := reader{rest: in.vector(2)}
	if in.isShort || len(in.rest) > 0 {
		return Hello{}, "its TLS hello is malformed"
	}
	return parseExtensions(extensions)
}

func parseExtensions(in reader) (Hello, string) {
	var hello Hello
	seen := make(map[int]bool)
	for len(in.rest) > 0 {
		kind := in.number(2)
		content := in.vector(2)
		if in.isShort || seen[kind] || len(seen) >= maxExtensions {
			return Hello{}, "its TLS hello has malformed extensions"
		}
		seen[kind] = true
		switch kind {
		case serverNameExtension:
			name, isValid := parseServerName(content)
			if !isValid {
				return Hello{}, "the server name in its TLS hello is malformed"
			}
			hello.Name = name
		case echExtension, esniExtension:
			hello.IsEncrypted = true
		case earlyDataExtension:
			hello.HasEarlyData = true
		}
	}
	return hello, ""
}

// parseServerName requires exactly one name, which is what all clients send: servers differ in which of
// several they use.
func parseServerName(content []byte) (string, bool) {
	in := reader{rest: content}
	list := reader{rest: in.vector(2)}
	kind := list.number(1)
	name := rule.Canonical(string(list.vector(2)))
	isWhole := !in.isShort && !list.isShort && len(in.rest) == 0 && len(list.rest) == 0
	return name, isWhole && kind == hostNameType && rule.IsHost(name)
}

// reader takes values off the front of a message. Once it is short, all further values are zero.
type reader struct {
	rest    []byte
	isShort bool
}

func (r *reader) take(count int) []byte {
	if r.isShort || len(r.rest) < count {
		r.isShort = true
		r.rest = nil
		return make([]byte, min(count, 32))
	}
	taken := r.rest[:count]
	r.rest = r.rest[count:]
	return taken
}

func (r *reader) number(width int) int {
	value := 0
	for _, next := range r.take(width) {
		value = value<<8 | int(next)
	}
	return value
}

// vector takes a length of width bytes and as many bytes.
func (r *reader) vector(width int) []byte {
	length := r.number(width)
	if r.isShort || length > len(r.rest) {
		r.isShort = true
		r.rest = nil
		return nil
	}
	return r.take(length)
}
