package policy

import (
	"fmt"
	"net/netip"

	"banger.dev/host/internal/net/policy/rule"
)

// Check is what would happen to a connection, and why.
type Check struct {
	IsAllowed bool   `json:"allowed"`
	Rule      string `json:"rule,omitempty"`
	Reason    string `json:"reason,omitempty"`
	Allow     string `json:"allow,omitempty"`
	// Steps are the decisions that lead there, one sentence each.
	Steps []string `json:"steps"`
}

// Check returns what would happen if the guest connected to a target: a rule for one port of one host or
// address. addresses are those that the name has now; they may be unknown. It logs and counts nothing.
func (p *Policy) Check(target rule.Rule, addresses []netip.Addr) Check {
	rules := p.current.Load()
	if !target.IsName() {
		return p.checkAddress(rules, target)
	}
	port := target.Ports.First
	var check Check
	if rules.mode == Enforce {
		found, isFound := rules.forName(target.Host)
		if !isFound {
			return check.refuse("DNS would refuse the name: no rule is for it", target.String())
		}
		check.say("DNS would answer: rule %q has the name", found.Name())
		if _, isFound := rules.forNamePort(target.Host, target.Protocol, port); !isFound {
			if allowing, isFound := rules.allForAddress(addresses, target.Protocol, port); isFound {
				return check.allow(allowing.Name(), "a connection would be allowed by address")
			}
			return check.refuse(fmt.Sprintf("no rule allows %s port %d of the name", target.Protocol, port), target.String())
		}
	}
	for _, address := range addresses {
		if decision := rules.answer(address); !decision.IsAllowed {
			return check.refuse(fmt.Sprintf("%s (%s)", decision.Reason, address), decision.Allow)
		}
	}
	if rules.mode != Enforce {
		return check.allow(string(rules.mode), "no rules restrict this VM")
	}
	found, _ := rules.forNamePort(target.Host, target.Protocol, port)
	if target.Protocol == rule.TCP {
		check.say("TLS and plain HTTP would have to be for this name")
	}
	return check.allow(found.Name(), "a connection would be allowed to the addresses that DNS answered")
}

func (p *Policy) checkAddress(rules *ruleset, target rule.Rule) Check {
	var check Check
	address, port := target.Prefix.Addr(), target.Ports.First
	if reason := rules.floor(address); reason != "" {
		return check.refuse(reason, target.String())
	}
	if rules.mode != Enforce {
		return check.allow(string(rules.mode), "no rules restrict this VM")
	}
	if found, isFound := rules.forAddress(address, target.Protocol, port); isFound {
		return check.allow(found.Name(), "a rule is for the address")
	}
	name, decision := rules.connectByName(target.Protocol, netip.AddrPortFrom(address, port), p.pins.Of(address))
	if !decision.IsAllowed {
		return check.refuse(decision.Reason, decision.Allow)
	}
	check.say("the guest has resolved %q to this address", name)
	return check.allow(decision.Rule, "a connection would be allowed, if TLS and plain HTTP are for this name")
}

// allForAddress returns the rule that allows a port of addresses, if each has one.
func (r *ruleset) allForAddress(addresses []netip.Addr, kind rule.Protocol, port uint16) (rule.Rule, bool) {
	var last rule.Rule
	for _, address := range addresses {
		found, isFound := r.forAddress(address, kind, port)
		if !isFound {
			return rule.Rule{}, false
		}
		last = found
	}
	return last, len(addresses) > 0
}

func (c *Check) say(format string, args ...any) {
	c.Steps = append(c.Steps, fmt.Sprintf(format, args...))
}

func (c Check) refuse(reason, allow string) Check {
	c.Reason, c.Allow = reason, allow
	c.say("%s", reason)
	return c
}

func (c Check) allow(rule, step string) Check {
	c.IsAllowed, c.Rule = true, rule
	c.say("%s", step)
	return c
}
