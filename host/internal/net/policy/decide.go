package policy

import (
	"net/netip"
	"strconv"

	"banger.dev/host/internal/net/policy/decisions"
)

// Decision is what the policy says about a query or a connection.
type Decision struct {
	IsAllowed bool
	// Rule is the rule that allows it, as the user wrote it, or the mode.
	Rule string
	// Reason is why it is refused.
	Reason string
	// Allow is the rule that would allow it, or empty when none can.
	Allow string
	// Name is the name that led to the destination, or empty.
	Name string
	// NeedsGuard is true when a Guard must check what the guest sends.
	NeedsGuard bool
}

func allowed(rule string) Decision { return Decision{IsAllowed: true, Rule: rule} }

func refused(reason, allow string) Decision { return Decision{Reason: reason, Allow: allow} }

// record logs a decision and counts it. It returns the decision, or a refusal when it could not be logged.
func (p *Policy) record(entry decisions.Entry, decision Decision) Decision {
	entry.Verdict = decisions.Refused
	if decision.IsAllowed {
		entry.Verdict = decisions.Allowed
	}
	entry.Rule, entry.Reason, entry.Allow = decision.Rule, decision.Reason, decision.Allow
	if p.log.Record(entry) != nil {
		p.count("", false, true)
		if decision.IsAllowed {
			return refused("it could not be logged", "")
		}
		return decision
	}
	p.count(decision.Rule, decision.IsAllowed, false)
	return decision
}

// ruleFor returns the narrowest rule for a port of a host: a name or an address.
func ruleFor(kind, host string, port uint16) string {
	if address, err := netip.ParseAddr(host); err == nil {
		host = address.Unmap().String()
		if address.Unmap().Is6() && port != 0 {
			host = "[" + host + "]"
		}
	}
	if port != 0 {
		host += ":" + strconv.Itoa(int(port))
	}
	if kind == "udp" {
		return "udp/" + host
	}
	return host
}
