package sniff

import (
	"bytes"
	"strconv"
	"strings"

	"banger.dev/host/internal/net/policy/rule"
)

// head is what the head of an HTTP/1 request says about its server and about where the next request begins.
type head struct {
	// host and port are those of the Host field; port is 0 when there is none.
	host string
	port uint16
	// target and targetPort are those of the request line, in a request to a proxy; target is else empty.
	target     string
	targetPort uint16
	isConnect  bool
	// mayUpgrade is true when another protocol may follow.
	mayUpgrade bool
	isChunked  bool
	bodyBytes  int64
}

// parseHead reads a head, its empty line included. It returns why a request with such a head is refused.
func parseHead(text []byte) (head, string) {
	line, fields, _ := bytes.Cut(text, []byte("\r\n"))
	var parsed head
	if reason := parsed.requestLine(string(line)); reason != "" {
		return head{}, reason
	}
	hosts, lengths, codings := 0, 0, 0
	for {
		field, rest, isWhole := bytes.Cut(fields, []byte("\r\n"))
		if !isWhole {
			return head{}, "its HTTP request is malformed"
		}
		if len(field) == 0 {
			break
		}
		fields = rest
		name, value, isValid := parseField(field)
		if !isValid {
			return head{}, "its HTTP request has a malformed header field"
		}
		reason := ""
		switch strings.ToLower(name) {
		case "host":
			hosts++
			parsed.host, parsed.port, reason = parseAuthority(value)
		case "content-length":
			lengths++
			parsed.bodyBytes, reason = parseLength(value)
		case "transfer-encoding":
			codings++
			if !strings.EqualFold(value, "chunked") {
				reason = "its HTTP request has an unknown transfer coding"
			}
		case "upgrade":
			parsed.mayUpgrade = true
		}
		if reason != "" {
			return head{}, reason
		}
	}
	parsed.isChunked = codings > 0
	if hosts > 1 || lengths > 1 || codings > 1 || lengths+codings > 1 {
		return head{}, "its HTTP request has contradictory header fields"
	}
	if hosts == 0 && !parsed.isConnect {
		return head{}, "its HTTP request names no host"
	}
	return parsed, ""
}

const malformedLine = "its HTTP request line is malformed"

func (h *head) requestLine(line string) string {
	method, rest, _ := strings.Cut(line, " ")
	target, version, _ := strings.Cut(rest, " ")
	if version == "HTTP/2.0" {
		return "HTTP/2 without TLS hides the host of its requests"
	}
	if version != "HTTP/1.1" && version != "HTTP/1.0" || method == "" || strings.Trim(method, tokenChars) != "" || !isVisible(target) {
		return malformedLine
	}
	reason := ""
	switch {
	case method == "CONNECT":
		h.isConnect = true
		h.target, h.targetPort, reason = parseAuthority(target)
		if reason == "" && h.targetPort == 0 {
			return "its HTTP CONNECT request has no port"
		}
	case strings.HasPrefix(target, "/") || target == "*":
	default:
		scheme, after, isAbsolute := strings.Cut(target, "://")
		if !isAbsolute {
			return malformedLine
		}
		authority := after
		if end := strings.IndexAny(after, "/?#\\"); end >= 0 {
			authority = after[:end]
		}
		h.target, h.targetPort, reason = parseAuthority(authority)
		if h.targetPort == 0 {
			h.targetPort = 80
			if !strings.EqualFold(scheme, "http") {
				h.targetPort = 443
			}
		}
	}
	return reason
}

const tokenChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~"

func parseField(field []byte) (string, string, bool) {
	name, value, isField := strings.Cut(string(field), ":")
	if !isField || name == "" || strings.Trim(name, tokenChars) != "" {
		return "", "", false
	}
	value = strings.Trim(value, " \t")
	for at := range len(value) {
		if value[at] < ' ' && value[at] != '\t' || value[at] == 0x7f {
			return "", "", false
		}
	}
	return name, value, true
}

func isVisible(text string) bool {
	for at := range len(text) {
		if text[at] <= ' ' || text[at] == 0x7f {
			return false
		}
	}
	return text != ""
}

// parseAuthority reads a host with an optional port, as Host fields have it. IPv6 addresses lose their
// brackets.
func parseAuthority(text string) (string, uint16, string) {
	const malformed = "the host of its HTTP request is malformed"
	host, after := text, ""
	if inside, isBracketed := strings.CutPrefix(text, "["); isBracketed {
		address, rest, isClosed := strings.Cut(inside, "]")
		if !isClosed || !strings.Contains(address, ":") || rest != "" && rest[0] != ':' {
			return "", 0, malformed
		}
		host, after = address, rest
		if strings.Trim(host, "0123456789abcdefABCDEF:.") != "" {
			return "", 0, malformed
		}
	} else if at := strings.IndexByte(text, ':'); at >= 0 {
		host, after = text[:at], text[at:]
	}
	port := uint64(0)
	if after != "" && after != ":" {
		var err error
		if port, err = strconv.ParseUint(after[1:], 10, 16); err != nil || port == 0 {
			return "", 0, malformed
		}
	}
	host = rule.Canonical(host)
	if !isAddress(host) && !rule.IsHost(host) {
		return "", 0, malformed
	}
	return host, uint16(port), ""
}

func parseLength(value string) (int64, string) {
	if value == "" || strings.Trim(value, "0123456789") != "" {
		return 0, "the length of its HTTP request is malformed"
	}
	length, err := strconv.ParseInt(value, 10, 63)
	if err != nil {
		return 0, "the length of its HTTP request is malformed"
	}
	return length, ""
}
