package rule

import "golang.org/x/net/publicsuffix"

// Warnings returns what is risky about a rule, one sentence each.
func (r Rule) Warnings() []string {
	var warnings []string
	if r.IsWildcard {
		if suffix, _ := publicsuffix.PublicSuffix(r.Host); suffix == r.Host {
			warnings = append(warnings, "anyone can register a name below "+r.Host)
		} else {
			warnings = append(warnings, "it allows every name below "+r.Host)
		}
	}
	if r.Prefix.IsValid() {
		warnings = append(warnings, r.addressWarnings()...)
	}
	if r.Protocol == TCP && r.Ports.Has(80) && (r.Ports.First == r.Ports.Last) {
		warnings = append(warnings, "plain HTTP can be read and changed on its way")
	}
	if r.Protocol == UDP && r.IsName() {
		warnings = append(warnings, "UDP is allowed by address: the name is not checked in its packets")
	}
	return warnings
}

func (r Rule) addressWarnings() []string {
	switch ClassOf(r.Prefix.Addr()) {
	case Private:
		return []string{"its addresses are on a network near the host"}
	case LinkLocal, Metadata:
		return []string{"clouds serve the host's credentials on such addresses"}
	default:
		if r.Prefix.IsSingleIP() {
			return []string{"the address may belong to somebody else later"}
		}
		return []string{"it allows whole networks by address"}
	}
}
