package policy

import (
	"net/netip"
	"time"

	"banger.dev/host/internal/net/gate"
	"banger.dev/host/internal/net/policy/decisions"
	"banger.dev/host/internal/net/policy/rule"
)

// flushEvery is how often counts of the same decisions are written to the log.
const flushEvery = 5 * time.Second

// Gate is a policy with its log, as the network stack asks it.
type Gate struct {
	*Policy
	log  *decisions.Log
	done chan struct{}
}

var _ gate.Gate = (*Gate)(nil)

// Open returns the gate of a policy whose decisions are in the log at path.
func Open(config Config, path string) (*Gate, error) {
	log, err := decisions.Open(path, decisions.MaxFileBytes, time.Now)
	if err != nil {
		return nil, err
	}
	policy, err := New(config, log, time.Now)
	if err != nil {
		log.Close()
		return nil, err
	}
	opened := &Gate{Policy: policy, log: log, done: make(chan struct{})}
	go opened.flush()
	return opened, nil
}

func (g *Gate) flush() {
	ticks := time.NewTicker(flushEvery)
	defer ticks.Stop()
	for {
		select {
		case <-ticks.C:
			// After an error, the next decision tries again and is refused.
			_ = g.log.Flush()
		case <-g.done:
			return
		}
	}
}

// Query implements gate.Gate.
func (g *Gate) Query(name string, recordType uint16) gate.Verdict {
	return verdictOf(g.Policy.Query(name, recordType), name)
}

// Answers implements gate.Gate. Aliases do not matter: the name that was asked for decides.
func (g *Gate) Answers(name string, _ []string, addresses []gate.Address) gate.Verdict {
	answered := make([]Address, 0, len(addresses))
	for _, each := range addresses {
		answered = append(answered, Address{Address: each.Addr, TTL: each.TTL})
	}
	return verdictOf(g.Answer(name, answered), name)
}

// Dial implements gate.Gate.
func (g *Gate) Dial(proto gate.Proto, to netip.AddrPort) gate.Verdict {
	if proto == gate.ICMP {
		return verdictOf(g.Ping(to.Addr()), "")
	}
	decision := g.Connect(rule.Protocol(proto), to)
	return verdictOf(decision, decision.Name)
}

// Refused implements gate.Gate.
func (g *Gate) Refused(proto gate.Proto, to netip.AddrPort, reason string) {
	entry := decisions.Entry{Kind: string(proto), Address: to.Addr().Unmap().String(), Port: to.Port()}
	g.record(entry, refused(reason, ""))
}

// Guard implements gate.Gate.
func (g *Gate) Guard(to netip.AddrPort) gate.Guard { return g.NewGuard(to) }

// Keeps implements gate.Gate.
func (g *Gate) Keeps(proto gate.Proto, to netip.AddrPort, name string) bool {
	return g.Policy.Keeps(rule.Protocol(proto), to, name)
}

// Close implements gate.Gate.
func (g *Gate) Close() error {
	close(g.done)
	return g.log.Close()
}

func verdictOf(decision Decision, name string) gate.Verdict {
	return gate.Verdict{
		Allowed: decision.IsAllowed, Rule: decision.Rule, Reason: decision.Reason,
		Name: name, NeedsGuard: decision.NeedsGuard,
	}
}
