package rule

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// maxRuleBytes is more than the longest rule: the prefix, "*.", a name of 253 bytes and a range of ports.
const maxRuleBytes = 300

// forms are the allowed forms of a rule, for errors.
const forms = `HOST, *.HOST, an address or a CIDR, each with an optional :PORT or :FIRST-LAST, and with tcp/ or udp/ before it`

// Error is a rule that cannot be read.
type Error struct {
	Rule   string
	Reason string
}

func (e *Error) Error() string {
	return fmt.Sprintf("cannot use rule %q: %s; a rule is %s", e.Rule, e.Reason, forms)
}

// Parse reads a rule.
func Parse(text string) (Rule, error) {
	rule, reason := parse(text)
	if reason != "" {
		if len(text) > maxRuleBytes {
			text = text[:maxRuleBytes] + "..."
		}
		return Rule{}, &Error{Rule: text, Reason: reason}
	}
	return rule, nil
}

// parse returns the rule, or why there is none.
func parse(text string) (Rule, string) {
	if len(text) > maxRuleBytes {
		return Rule{}, "it is too long"
	}
	rule := Rule{Protocol: TCP, Ports: AllPorts}
	target := text
	if rest, found := strings.CutPrefix(target, "tcp/"); found {
		target = rest
	} else if rest, found := strings.CutPrefix(target, "udp/"); found {
		rule.Protocol, target = UDP, rest
	}
	if strings.Contains(target, "://") {
		return rule, "it is a URL, of which a rule has only the host"
	}
	target, ports, reason := splitPorts(target)
	if reason != "" {
		return rule, reason
	}
	rule.Ports = ports
	if target == "" {
		return rule, "it has no host"
	}
	if prefix, isAddress, reason := parseAddresses(target); isAddress {
		rule.Prefix = prefix
		return rule, reason
	}
	rule.Host, rule.IsWildcard = strings.CutPrefix(target, "*.")
	rule.Host = Canonical(rule.Host)
	return rule, checkHost(rule)
}

// splitPorts takes the ports off the end of a target. It also takes the brackets off an IPv6 address.
func splitPorts(target string) (string, Ports, string) {
	rest, ports := target, ""
	hasPorts := false
	if inside, isBracketed := strings.CutPrefix(target, "["); isBracketed {
		address, after, isClosed := strings.Cut(inside, "]")
		if !isClosed {
			return "", Ports{}, `its "[" is not closed`
		}
		if !strings.Contains(address, ":") {
			return "", Ports{}, "only an IPv6 address is written in brackets"
		}
		ports, hasPorts = strings.CutPrefix(after, ":")
		if after != "" && !hasPorts {
			return "", Ports{}, `only a port may follow "]"`
		}
		rest = address
	} else if strings.Count(target, ":") == 1 {
		rest, ports, hasPorts = strings.Cut(target, ":")
	}
	if !hasPorts {
		return rest, AllPorts, ""
	}
	first, last, isRange := strings.Cut(ports, "-")
	if !isRange {
		last = first
	}
	from, to := parsePort(first), parsePort(last)
	if from == 0 || to == 0 {
		return "", Ports{}, fmt.Sprintf("%q is not a port from 1 to 65535 or a range of ports", ports)
	}
	if from > to {
		return "", Ports{}, fmt.Sprintf("its ports %q end before they begin", ports)
	}
	return rest, Ports{First: from, Last: to}, ""
}

// parsePort returns a port, or 0 when text is none. Signs and leading zeros are refused.
func parsePort(text string) uint16 {
	if text == "" || text[0] < '1' || text[0] > '9' {
		return 0
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0
	}
	return uint16(port)
}

// parseAddresses reads an address or a CIDR. It also returns whether the text is meant as one.
func parseAddresses(text string) (netip.Prefix, bool, string) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		address, addressErr := netip.ParseAddr(text)
		if addressErr != nil {
			if strings.ContainsAny(text, ":/") {
				return netip.Prefix{}, true, fmt.Sprintf("%q is not an address or a CIDR", text)
			}
			return netip.Prefix{}, false, ""
		}
		if address.Zone() != "" {
			return netip.Prefix{}, true, "an address of a rule has no zone"
		}
		prefix = netip.PrefixFrom(address, address.BitLen())
	}
	if prefix.Addr().Is4In6() {
		return netip.Prefix{}, true, "write an IPv4 address without ::ffff:"
	}
	if prefix != prefix.Masked() {
		return netip.Prefix{}, true, fmt.Sprintf("its address has bits after the prefix, the CIDR is %s", prefix.Masked())
	}
	if reason := unreachable(prefix); reason != "" {
		return netip.Prefix{}, true, reason
	}
	return prefix, true, ""
}
