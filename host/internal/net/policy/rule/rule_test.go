package rule

import (
	"encoding/json"
	"net/netip"
	"os"
	"strings"
	"testing"
)

// examples are rules with the form in which they are printed, and what is no rule with a part of the
// reason. The daemon, which checks rules before the network does, is tested with the same file.
type examples struct {
	Valid, Invalid map[string]string
}

func readExamples(t *testing.T) examples {
	t.Helper()
	text, err := os.ReadFile("testdata/rules.json")
	if err != nil {
		t.Fatal(err)
	}
	var read examples
	if err := json.Unmarshal(text, &read); err != nil || len(read.Valid) == 0 || len(read.Invalid) == 0 {
		t.Fatalf("%d valid, %d invalid examples, %v", len(read.Valid), len(read.Invalid), err)
	}
	return read
}

func TestParseReadsEachFormOfARuleAndPrintsItInTheShortestForm(t *testing.T) {
	for text, printed := range readExamples(t).Valid {
		parsed, err := Parse(text)
		if err != nil {
			t.Errorf("Parse(%q): %v", text, err)
			continue
		}
		if parsed.String() != printed {
			t.Errorf("Parse(%q) is %q, not %q", text, parsed, printed)
		}
	}
}

func TestParseRefusesWhatIsNoRuleAndSaysWhy(t *testing.T) {
	for text, reason := range readExamples(t).Invalid {
		parsed, err := Parse(text)
		if err == nil {
			t.Errorf("Parse(%q) is %q", text, parsed)
			continue
		}
		if !strings.Contains(err.Error(), reason) || !strings.Contains(err.Error(), "a rule is HOST") {
			t.Errorf("Parse(%q): %v, not %q", text, err, reason)
		}
	}
}

func must(t *testing.T, text string) Rule {
	t.Helper()
	parsed, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func TestAWildcardIsForNamesBelowItsHostOnly(t *testing.T) {
	wildcard := must(t, "*.example.com")
	for name, isIn := range map[string]bool{
		"a.example.com": true, "a.b.example.com": true, "example.com": false, "xexample" + ".com": false,
		".example.com": false, "example.com.evil.test": false,
	} {
		if wildcard.HasName(name) != isIn {
			t.Errorf("HasName(%q) is %v", name, !isIn)
		}
	}
}

func TestClassOfSeesThroughIPv6AddressesThatLeadToIPv4(t *testing.T) {
	for text, class := range map[string]Class{
		"8.8.8.8": Public, "2001:db8::1": Public, "64:ff9b::808:808": Public,
		"10.0.0.1": Private, "172.31.255.255": Private, "192.168.0.1": Private, "100.64.0.1": Private, "fd12::1": Private,
		"172.32.0.1": Public, "11.0.0.1": Public,
		"169.254.169.254": LinkLocal, "fe80::1": LinkLocal, "fe80::1%eth0": LinkLocal,
		"fd00:ec2::254": Metadata, "100.100.100.200": Metadata, "168.63.129.16": Metadata,
		"127.0.0.1": Unreachable, "127.77.1.2": Unreachable, "0.0.0.0": Unreachable, "255.255.255.255": Unreachable,
		"::": Unreachable, "::1": Unreachable, "ff02::1": Unreachable,
		"::ffff:127.0.0.1": Unreachable, "::127.0.0.1": Unreachable, "64:ff9b::7f00:1": Unreachable,
		"2002:7f00:1::": Unreachable, "::ffff:0:127.0.0.1": Unreachable,
		"::ffff:10.0.0.1": Private, "64:ff9b::a00:1": Private, "2002:a9fe:a9fe::1": LinkLocal,
		"2001:0:1:2:3:4:5601:5601": LinkLocal,
	} {
		if found := ClassOf(netip.MustParseAddr(text)); found != class {
			t.Errorf("ClassOf(%s) is %s, not %s", text, found, class)
		}
	}
	if ClassOf(netip.Addr{}) != Unreachable {
		t.Error("no address is reachable")
	}
}

func TestOnlyARuleInsideALinkLocalOrMetadataRangeNamesItsAddresses(t *testing.T) {
	for _, each := range []struct {
		rule, address string
		isNamed       bool
	}{
		{"0.0.0.0/0", "8.8.8.8", true},
		{"0.0.0.0/0", "10.0.0.1", true},
		{"0.0.0.0/0", "169.254.169.254", false},
		{"168.0.0.0/6", "169.254.169.254", false},
		{"169.254.0.0/16", "169.254.169.254", true},
		{"169.254.169.254", "169.254.169.254", true},
		{"::/0", "fd00:ec2::254", false},
		{"fc00::/7", "fd00:ec2::254", false},
		{"fd00:ec2::254", "fd00:ec2::254", true},
		{"100.64.0.0/10", "100.100.100.200", false},
		{"100.100.100.200", "100.100.100.200", true},
		{"0.0.0.0/0", "127.0.0.1", false},
		{"::/0", "64:ff9b::7f00:1", false},
		{"::/0", "2002:a9fe:a9fe::1", false},
		{"10.0.0.0/8", "::ffff:10.1.2.3", true},
	} {
		if must(t, each.rule).Names(netip.MustParseAddr(each.address)) != each.isNamed {
			t.Errorf("rule %s names %s: %v", each.rule, each.address, !each.isNamed)
		}
	}
}

func TestCoversIsTrueOnlyWhenNothingOfTheOtherRuleIsLeft(t *testing.T) {
	for _, each := range []struct {
		wide, narrow string
		isCovered    bool
	}{
		{"example.com", "example.com:443", true},
		{"example.com:443", "example.com", false},
		{"*.example.com", "a.example.com:443", true},
		{"*.example.com", "*.a.example.com", true},
		{"*.a.example.com", "*.example.com", false},
		{"*.example.com", "example.com", false},
		{"a.example.com", "*.example.com", false},
		{"udp/example.com", "example.com", false},
		{"10.0.0.0/8", "10.1.0.0/16:80", true},
		{"10.1.0.0/16", "10.0.0.0/8", false},
		{"0.0.0.0/0", "example.com", false},
		{"example.com", "10.0.0.0/8", false},
		{"db:80-90", "db:85-90", true},
		{"db:80-90", "db:85-91", false},
	} {
		if must(t, each.wide).Covers(must(t, each.narrow)) != each.isCovered {
			t.Errorf("%s covers %s: %v", each.wide, each.narrow, !each.isCovered)
		}
	}
}

func TestWarningsAreForRiskyRules(t *testing.T) {
	for text, warning := range map[string]string{
		"example.com:443": "", "*.example.com": "every name below", "*.co.uk": "anyone can register",
		"*.github.io": "anyone can register", "10.0.0.0/8:5432": "near the host", "fd00:ec2::254": "credentials",
		"example.com:80": "plain HTTP", "8.8.8.8:53": "somebody else", "8.0.0.0/8": "whole networks",
		"udp/example.com:443": "not checked",
	} {
		warnings := strings.Join(must(t, text).Warnings(), "; ")
		if (warning == "") != (warnings == "") || !strings.Contains(warnings, warning) {
			t.Errorf("warnings of %s are %q", text, warnings)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"a.example:80", "*.a", "udp/[2001:db8::/32]:1-2", "10.0.0.0/8", "tcp/x", "[::]:0", "@npm", "1.2.3.4:5"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := Parse(text)
		if err != nil {
			if len(err.Error()) > 4*maxRuleBytes+600 {
				t.Fatal("the error is not bounded")
			}
			return
		}
		again, err := Parse(parsed.String())
		if err != nil || again != parsed {
			t.Fatalf("%q is printed as %q, which is %v (%v)", text, parsed, again, err)
		}
		if parsed.IsName() == parsed.Prefix.IsValid() || !parsed.Covers(parsed) || parsed.Ports.First == 0 {
			t.Fatalf("%q is neither for a name nor for addresses: %+v", text, parsed)
		}
	})
}
