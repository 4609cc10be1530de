package rule

import "strings"

// The limits of names in DNS.
const (
	maxNameBytes  = 253
	maxLabelBytes = 63
)

// Canonical returns a name as it is compared: in lower case and without its final dot.
func Canonical(name string) string {
	return strings.TrimSuffix(lower(name), ".")
}

// lower changes ASCII letters only: other letters have no case in DNS.
func lower(text string) string {
	for at := range len(text) {
		if 'A' <= text[at] && text[at] <= 'Z' {
			changed := []byte(text)
			for ; at < len(changed); at++ {
				if 'A' <= changed[at] && changed[at] <= 'Z' {
					changed[at] += 'a' - 'A'
				}
			}
			return string(changed)
		}
	}
	return text
}

// IsHost reports whether name, in lower case and without its final dot, can be the name of a host. Names that
// programs read as an IPv4 address, like 0x7f.1, cannot.
func IsHost(name string) bool { return checkName(name) == "" }

// checkHost returns why a rule cannot have its host, or nothing.
func checkHost(rule Rule) string {
	if strings.HasPrefix(rule.Host, "@") {
		return "there is no such preset; the presets are @npm, @pypi, @crates, @go, @debian, @github and @docker"
	}
	if rule.Host == "*" || rule.IsWildcard && rule.Host == "" {
		return `"*" stands for the names below a host, like *.example.com; to allow everything, give no rule`
	}
	if rule.Host == "localhost" || strings.HasSuffix(rule.Host, ".localhost") {
		return "localhost is the guest itself"
	}
	return checkName(rule.Host)
}

func checkName(name string) string {
	if name == "" {
		return "it has no host"
	}
	if len(name) > maxNameBytes {
		return "its host is longer than 253 characters"
	}
	last := ""
	for label := range strings.SplitSeq(name, ".") {
		if reason := checkLabel(label); reason != "" {
			return reason
		}
		last = label
	}
	if isNumber(last) {
		return "its host is neither a name nor an address"
	}
	return ""
}

func checkLabel(label string) string {
	if label == "" {
		return "its host has an empty part between dots"
	}
	if len(label) > maxLabelBytes {
		return "a part of its host is longer than 63 characters"
	}
	for at := range len(label) {
		char := label[at]
		switch {
		case 'a' <= char && char <= 'z', '0' <= char && char <= '9', char == '-', char == '_':
		case char == '*':
			return `"*" may only stand for the whole first part of a host, like *.example.com`
		case char >= 0x80:
			return "write a host with letters outside ASCII in its xn-- form"
		default:
			return "its host has a character that names do not have"
		}
	}
	if label[0] == '-' || label[len(label)-1] == '-' {
		return `a part of its host begins or ends with "-"`
	}
	return ""
}

// isNumber reports whether the resolvers of programs read label as a number: decimal, octal or hexadecimal.
func isNumber(label string) bool {
	digits := "0123456789"
	if rest, isHex := strings.CutPrefix(label, "0x"); isHex {
		label, digits = rest, "0123456789abcdef"
	}
	return strings.Trim(label, digits) == ""
}
