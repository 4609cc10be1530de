package learn

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"banger.dev/host/internal/net/policy/rule"
)

// Suggestion is a rule for what a guest has used.
type Suggestion struct {
	// Rule is a rule or a preset, as a user writes it.
	Rule     string   `json:"rule"`
	Warnings []string `json:"warnings,omitempty"`
	// Uses is how many connections it would have allowed.
	Uses int `json:"uses"`
}

// When fewer rules are worth more than narrower ones.
const (
	// portsForAll is how many ports of one host become a rule without ports.
	portsForAll = 4
	// namesForWildcard is how many names below one name become a wildcard.
	namesForWildcard = 5
)

type found struct {
	rule rule.Rule
	uses int
}

// Rules returns a short list of rules that allow all uses, names before addresses. A preset, of which presets
// has the rules, stands for its rules when the guest used at least half of them.
func Rules(uses map[Use]int, presets []rule.Rule) []Suggestion {
	var all []found
	for use, count := range uses {
		all = append(all, found{ruleFor(use), count})
	}
	sortRules(all)
	suggested, all := takePresets(all, presets)
	all = joinPorts(all)
	all = joinNames(all)
	for _, each := range all {
		suggested = append(suggested, Suggestion{Rule: each.rule.String(), Warnings: each.rule.Warnings(), Uses: each.uses})
	}
	return suggested
}

func ruleFor(use Use) rule.Rule {
	ports := rule.Ports{First: use.Port, Last: use.Port}
	if use.Name != "" {
		return rule.Rule{Protocol: use.Protocol, Host: use.Name, Ports: ports}
	}
	return rule.Rule{Protocol: use.Protocol, Prefix: netip.PrefixFrom(use.Address, use.Address.BitLen()), Ports: ports}
}

// sortRules puts names before addresses, and names of one domain together.
func sortRules(all []found) {
	slices.SortFunc(all, func(a, b found) int {
		return cmp.Or(
			compareBool(a.rule.IsName(), b.rule.IsName()),
			strings.Compare(reversed(a.rule.Host), reversed(b.rule.Host)),
			a.rule.Prefix.Addr().Compare(b.rule.Prefix.Addr()),
			strings.Compare(string(a.rule.Protocol), string(b.rule.Protocol)),
			cmp.Compare(a.rule.Ports.First, b.rule.Ports.First),
		)
	})
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	default:
		return 1
	}
}

// reversed returns a name with its labels from right to left.
func reversed(name string) string {
	labels := strings.Split(name, ".")
	slices.Reverse(labels)
	return strings.Join(labels, ".")
}

// takePresets returns the presets that stand for some rules, and the other rules.
func takePresets(all []found, presets []rule.Rule) ([]Suggestion, []found) {
	names := make(map[string][]rule.Rule)
	for _, each := range presets {
		names[each.From] = append(names[each.From], each)
	}
	var suggested []Suggestion
	for _, name := range slices.Sorted(mapKeys(names)) {
		used, uses := make(map[rule.Rule]bool), 0
		var others []found
		for _, each := range all {
			at := slices.IndexFunc(names[name], func(preset rule.Rule) bool { return preset.Covers(each.rule) })
			if at < 0 {
				others = append(others, each)
				continue
			}
			used[names[name][at]] = true
			uses += each.uses
		}
		if len(used) > 0 && 2*len(used) >= len(names[name]) {
			suggested = append(suggested, Suggestion{Rule: name, Uses: uses})
			all = others
		}
	}
	return suggested, all
}

func mapKeys(names map[string][]rule.Rule) func(func(string) bool) {
	return func(yield func(string) bool) {
		for name := range names {
			if !yield(name) {
				return
			}
		}
	}
}

// joinPorts replaces many rules for ports of one target by one rule for all its ports.
func joinPorts(all []found) []found {
	return join(all, portsForAll, func(each rule.Rule) (rule.Rule, bool) {
		each.Ports = rule.AllPorts
		return each, true
	})
}

// joinNames replaces many names of one owner by a wildcard. Names right below a suffix under which anyone can
// register names stay as they are.
func joinNames(all []found) []found {
	return join(all, namesForWildcard, func(each rule.Rule) (rule.Rule, bool) {
		_, parent, hasParent := strings.Cut(each.Host, ".")
		if suffix, _ := publicsuffix.PublicSuffix(parent); !hasParent || each.IsWildcard || suffix == parent {
			return each, false
		}
		each.Host, each.IsWildcard = parent, true
		return each, true
	})
}

// join replaces the rules that widen makes equal, if there are at least atLeast of them, by the wider rule.
// The order stays.
func join(all []found, atLeast int, widen func(rule.Rule) (rule.Rule, bool)) []found {
	counts, uses := make(map[rule.Rule]int), make(map[rule.Rule]int)
	for _, each := range all {
		if wide, isWider := widen(each.rule); isWider {
			counts[wide]++
			uses[wide] += each.uses
		}
	}
	var joined []found
	done := make(map[rule.Rule]bool)
	for _, each := range all {
		wide, isWider := widen(each.rule)
		switch {
		case !isWider || counts[wide] < atLeast:
			joined = append(joined, each)
		case !done[wide]:
			done[wide] = true
			joined = append(joined, found{wide, uses[wide]})
		}
	}
	return joined
}
