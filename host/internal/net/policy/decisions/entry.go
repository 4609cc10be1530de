// Package decisions writes the log of what a policy allowed and refused.
//
// The log is a file of JSON lines, one Entry each. When it is full, it becomes NAME.1 and a new one begins:
// NAME.1 and NAME together never take more than twice the limit.
package decisions

import "time"

// The verdicts.
const (
	Allowed = "allowed"
	Refused = "refused"
)

// Entry is one line of the log.
type Entry struct {
	Time time.Time `json:"time"`
	// Kind is dns, tcp, udp or icmp.
	Kind    string `json:"kind"`
	Name    string `json:"name,omitempty"`
	Address string `json:"address,omitempty"`
	Port    uint16 `json:"port,omitempty"`
	Verdict string `json:"verdict"`
	// Rule is the rule that allowed it, as the user wrote it.
	Rule string `json:"rule,omitempty"`
	// Reason says why it was refused.
	Reason string `json:"reason,omitempty"`
	// Allow is the rule that would allow it, or empty when none can.
	Allow string `json:"allow,omitempty"`
	// Count is how many decisions like this one followed an earlier line. It is 0 in a line for one decision.
	Count int `json:"count,omitempty"`
	// IsSummary is true in a line for decisions that were too many to be listed: only their kind, verdict,
	// rule and reason are known.
	IsSummary bool `json:"summary,omitempty"`
}

// key is what makes two decisions the same.
type key struct {
	kind, name, address   string
	port                  uint16
	verdict, rule, reason string
	allow                 string
}

func keyOf(entry Entry) key {
	return key{
		kind: entry.Kind, name: entry.Name, address: entry.Address, port: entry.Port,
		verdict: entry.Verdict, rule: entry.Rule, reason: entry.Reason, allow: entry.Allow,
	}
}

// summary returns the key of the line that an entry is counted in when there are too many.
func summaryOf(entry Entry) key {
	return key{kind: entry.Kind, verdict: entry.Verdict, rule: entry.Rule, reason: entry.Reason}
}

func (k key) entry(at time.Time, count int) Entry {
	return Entry{
		Time: at, Kind: k.kind, Name: k.name, Address: k.address, Port: k.port,
		Verdict: k.verdict, Rule: k.rule, Reason: k.reason, Allow: k.allow, Count: count,
	}
}
