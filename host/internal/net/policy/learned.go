package policy

import "banger.dev/host/internal/net/policy/learn"

// Learned is what a guest used since the policy began to learn, as rules.
type Learned struct {
	Rules []learn.Suggestion `json:"rules"`
	// Missed is how many connections found no room and are not in the rules.
	Missed int `json:"missed,omitempty"`
}

// Learned returns the rules for what the guest has used, and false when the policy does not learn.
func (p *Policy) Learned() (Learned, bool) {
	rules := p.current.Load()
	if rules.learned == nil {
		return Learned{}, false
	}
	uses, missed := rules.learned.Uses()
	return Learned{Rules: learn.Rules(uses, rules.presets), Missed: missed}, true
}
