package policy

import "banger.dev/host/internal/net/policy/decisions"

// Secret records that a request to a port of a server gets the value of a secret, or why it does not. It
// reports whether that may be: what cannot be recorded is refused.
func (p *Policy) Secret(name, host string, port uint16, reason string) bool {
	entry := decisions.Entry{Kind: "secret", Name: host, Port: port}
	if reason != "" {
		return p.record(entry, refused(reason, "")).IsAllowed
	}
	return p.record(entry, allowed("secret "+name)).IsAllowed
}
