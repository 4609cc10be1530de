package policy

import (
	"slices"

	"banger.dev/host/internal/net/policy/rule"
)

// Counter is how many queries and connections one rule allowed.
type Counter struct {
	Rule    string `json:"rule"`
	Allowed int    `json:"allowed"`
}

// Status is what a policy is and has done.
type Status struct {
	Mode Mode `json:"mode"`
	// Rules are those in force, presets by their names, each with its counter.
	Rules []Counter `json:"rules"`
	// Refused counts refused queries and connections.
	Refused int `json:"refused"`
	// Unlogged counts what was refused because it could not be logged.
	Unlogged int `json:"unlogged,omitempty"`
}

// refusals is the key of the counter of refusals; rules are never empty.
const refusals = ""

func (p *Policy) count(rule string, isAllowed, isUnlogged bool) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if isUnlogged {
		p.unlogged++
		return
	}
	if !isAllowed {
		rule = refusals
	}
	if counter := p.counters[rule]; counter != nil {
		counter.Allowed++
	}
}

// keepCounters makes the counters of a new set of rules. Rules that stay keep their counts.
func (p *Policy) keepCounters(rules []rule.Rule) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	next := make(map[string]*Counter, len(rules)+1)
	for _, name := range append(ruleNames(rules), refusals, string(Unrestricted), string(Learn)) {
		next[name] = &Counter{Rule: name}
		if former := p.counters[name]; former != nil {
			next[name] = former
		}
	}
	p.counters = next
}

// ruleNames returns the names of rules in their order, each once.
func ruleNames(rules []rule.Rule) []string {
	var names []string
	for _, each := range rules {
		if name := each.Name(); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// Status returns what the policy is and has done.
func (p *Policy) Status() Status {
	rules := p.current.Load()
	p.mutex.Lock()
	defer p.mutex.Unlock()
	status := Status{Mode: rules.mode, Rules: []Counter{}, Unlogged: p.unlogged}
	if refused := p.counters[refusals]; refused != nil {
		status.Refused = refused.Allowed
	}
	names := ruleNames(rules.rules)
	if rules.mode != Enforce {
		names = append(names, string(rules.mode))
	}
	for _, name := range names {
		if counter := p.counters[name]; counter != nil {
			status.Rules = append(status.Rules, *counter)
		}
	}
	return status
}
