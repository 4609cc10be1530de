// Package policy decides what a guest may reach, by rules for names and addresses, and logs each decision.
// It has no sockets: the network stack asks it.
//
// A rule for a name is enforced in three places. A guest may ask DNS only for names of rules. An answer
// pins its addresses to the name, and a connection to an address needs a pin of a name that a rule allows
// for the port. And what the guest sends first must not name another server (package sniff).
package policy

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"banger.dev/host/internal/net/policy/decisions"
	"banger.dev/host/internal/net/policy/learn"
	"banger.dev/host/internal/net/policy/names"
	"banger.dev/host/internal/net/policy/rule"
	"banger.dev/host/internal/net/policy/sniff"
)

// maxSniffedBytes bounds what connections hold until their servers are known, together.
const maxSniffedBytes = 4 << 20

// Log is where decisions are recorded. When Record fails, what it was to record is refused.
type Log interface {
	Record(entry decisions.Entry) error
}

// Policy decides for one guest. It is safe for concurrent use.
type Policy struct {
	log     Log
	pins    *names.Pins
	tunnels *names.Tunnels
	budget  *sniff.Budget
	current atomic.Pointer[ruleset]

	mutex    sync.Mutex
	counters map[string]*Counter
	unlogged int
}

// ruleset is a configuration in force. It does not change.
type ruleset struct {
	mode    Mode
	rules   []rule.Rule
	presets []rule.Rule
	learned *learn.Recorder
}

// New returns a policy. now is the clock.
func New(config Config, log Log, now func() time.Time) (*Policy, error) {
	p := &Policy{
		log:      log,
		pins:     names.NewPins(now),
		tunnels:  names.NewTunnels(now),
		budget:   sniff.NewBudget(maxSniffedBytes),
		counters: make(map[string]*Counter),
	}
	return p, p.Replace(config)
}

// Replace puts another configuration in force, for the next decision on. Names that the guest has resolved
// stay pinned. After an error, the former configuration stays in force.
func (p *Policy) Replace(config Config) error {
	rules, presets, err := config.parse()
	if err != nil {
		return err
	}
	next := &ruleset{mode: config.Mode, rules: rules, presets: presets}
	if config.Mode == Learn {
		next.learned = learn.NewRecorder()
	}
	p.current.Store(next)
	p.keepCounters(rules)
	return nil
}

// forName returns the rule for a name, whatever its ports.
func (r *ruleset) forName(name string) (rule.Rule, bool) {
	for _, each := range r.rules {
		if each.HasName(name) {
			return each, true
		}
	}
	return rule.Rule{}, false
}

// forNamePort returns the rule for a port of a name.
func (r *ruleset) forNamePort(name string, protocol rule.Protocol, port uint16) (rule.Rule, bool) {
	for _, each := range r.rules {
		if each.HasName(name) && each.HasPort(protocol, port) {
			return each, true
		}
	}
	return rule.Rule{}, false
}

// forAddress returns the rule for a port of an address.
func (r *ruleset) forAddress(address netip.Addr, protocol rule.Protocol, port uint16) (rule.Rule, bool) {
	for _, each := range r.rules {
		if each.Names(address) && each.HasPort(protocol, port) {
			return each, true
		}
	}
	return rule.Rule{}, false
}

// hasAddress reports whether a rule is for some port of an address.
func (r *ruleset) hasAddress(address netip.Addr) (rule.Rule, bool) {
	for _, each := range r.rules {
		if each.Names(address) {
			return each, true
		}
	}
	return rule.Rule{}, false
}

// floor returns why an address is refused in every mode unless a rule for addresses names it, or nothing.
func (r *ruleset) floor(address netip.Addr) string {
	class := rule.ClassOf(address)
	switch class {
	case rule.Unreachable:
		return "no rule can allow a loopback, multicast or unspecified address"
	case rule.LinkLocal, rule.Metadata:
		if _, isNamed := r.hasAddress(address); !isNamed {
			return "clouds serve the host's credentials on " + class.String() + " addresses: only a rule for the address itself allows it"
		}
	}
	return ""
}
