package learn

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"banger.dev/host/internal/net/policy/rule"
)

func must(t testing.TB, text, from string) rule.Rule {
	t.Helper()
	parsed, err := rule.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	parsed.From = from
	return parsed
}

func use(t testing.TB, text string) Use {
	t.Helper()
	parsed := must(t, text, "")
	return Use{Protocol: parsed.Protocol, Name: parsed.Host, Address: parsed.Prefix.Addr(), Port: parsed.Ports.First}
}

func rulesOf(suggested []Suggestion) []string {
	var rules []string
	for _, each := range suggested {
		rules = append(rules, each.Rule)
	}
	return rules
}

func TestRulesAreFewAndNarrow(t *testing.T) {
	presets := []rule.Rule{
		must(t, "registry.test:443", "@npm"),
		must(t, "git.test:443", "@code"), must(t, "git.test:22", "@code"), must(t, "raw.git.test:443", "@code"),
	}
	for _, each := range []struct {
		name  string
		used  []string
		rules []string
	}{
		{"nothing", nil, nil},
		{"names before addresses", []string{"192.0.2.1:443", "b.test:443", "a.test:443"}, []string{"a.test:443", "b.test:443", "192.0.2.1:443"}},
		{"names of a domain together", []string{"a.x.test:1", "b.y.test:1", "b.x.test:1"}, []string{"a.x.test:1", "b.x.test:1", "b.y.test:1"}},
		{"UDP", []string{"udp/time.test:123"}, []string{"udp/time.test:123"}},
		{"a preset", []string{"registry.test:443", "a.test:443"}, []string{"@npm", "a.test:443"}},
		{"another port than the preset's", []string{"registry.test:80"}, []string{"registry.test:80"}},
		{"a small part of a preset", []string{"git.test:22"}, []string{"git.test:22"}},
		{"most of a preset", []string{"git.test:22", "git.test:443"}, []string{"@code"}},
		{"many ports", []string{"db.test:1", "db.test:2", "db.test:3", "db.test:4"}, []string{"db.test"}},
		{"some ports", []string{"db.test:1", "db.test:2", "db.test:3"}, []string{"db.test:1", "db.test:2", "db.test:3"}},
		{"many names of one owner", []string{"a.cdn.example.com:443", "b.cdn.example.com:443", "c.cdn.example.com:443", "d.cdn.example.com:443", "e.cdn.example.com:443"}, []string{"*.cdn.example.com:443"}},
		{"many owners", []string{"a.co.uk:443", "b.co.uk:443", "c.co.uk:443", "d.co.uk:443", "e.co.uk:443"}, []string{"a.co.uk:443", "b.co.uk:443", "c.co.uk:443", "d.co.uk:443", "e.co.uk:443"}},
	} {
		recorder := NewRecorder()
		for _, text := range each.used {
			recorder.Add(use(t, text))
		}
		uses, _ := recorder.Uses()
		if found := rulesOf(Rules(uses, presets)); !slices.Equal(found, each.rules) {
			t.Errorf("%s: %q, not %q", each.name, found, each.rules)
		}
	}
}

func TestRiskyRulesHaveWarnings(t *testing.T) {
	uses := map[Use]int{use(t, "10.0.0.1:5432"): 3, use(t, "a.test:443"): 1, use(t, "a.test:80"): 2}
	suggested := Rules(uses, nil)
	if len(suggested) != 3 || len(suggested[0].Warnings) != 1 || len(suggested[1].Warnings) != 0 || len(suggested[2].Warnings) != 1 {
		t.Errorf("%+v", suggested)
	}
	if suggested[2].Uses != 3 {
		t.Errorf("%+v", suggested[2])
	}
}

func TestUsesAreBounded(t *testing.T) {
	recorder := NewRecorder()
	for each := range 2 * maxUses {
		recorder.Add(Use{Protocol: rule.TCP, Name: fmt.Sprintf("%d.test", each), Port: 443})
	}
	uses, missed := recorder.Uses()
	if len(uses) != maxUses || missed != maxUses {
		t.Errorf("%d uses, %d missed", len(uses), missed)
	}
}

// FuzzRules checks that the rules for any uses allow all of them.
func FuzzRules(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 100, 200})
	f.Add([]byte{0, 0, 16, 0, 32, 0, 48, 0, 64, 0, 80, 0})
	f.Fuzz(func(t *testing.T, choices []byte) {
		presets := []rule.Rule{must(t, "a.b.example.com:1", "@x"), must(t, "b.b.example.com:1", "@x")}
		recorder := NewRecorder()
		for len(choices) >= 2 {
			recorder.Add(chosen(choices[0], choices[1]))
			choices = choices[2:]
		}
		uses, _ := recorder.Uses()
		var rules []rule.Rule
		for _, suggested := range Rules(uses, presets) {
			if suggested.Rule == "@x" {
				rules = append(rules, presets...)
				continue
			}
			rules = append(rules, must(t, suggested.Rule, ""))
		}
		for used := range uses {
			if !slices.ContainsFunc(rules, func(each rule.Rule) bool { return each.Covers(ruleFor(used)) }) {
				t.Fatalf("%+v is not allowed by %v", used, rules)
			}
		}
		if len(rules) > len(uses)+len(presets) {
			t.Fatalf("%d rules for %d uses", len(rules), len(uses))
		}
	})
}

func chosen(what, port byte) Use {
	used := Use{Protocol: rule.TCP, Port: uint16(port%6) + 1}
	if what&1 == 1 {
		used.Protocol = rule.UDP
	}
	hosts := []string{"a", "b", "c", "d", "e", "f", "a.a"}
	domains := []string{".b.example.com", ".example.com", ".co.uk", ".test"}
	if what&2 == 0 {
		used.Name = hosts[int(what>>2)%len(hosts)] + domains[int(what>>5)%len(domains)]
	} else {
		used.Address = netip.AddrFrom4([4]byte{192, 0, 2, what})
	}
	return used
}
