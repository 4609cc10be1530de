package policy

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"banger.dev/host/internal/net/policy/decisions"
	"banger.dev/host/internal/net/policy/rule"
)

// memoryLog keeps what was recorded, and fails when it is told to.
type memoryLog struct {
	entries []decisions.Entry
	failure error
}

func (l *memoryLog) Record(entry decisions.Entry) error {
	if l.failure == nil {
		l.entries = append(l.entries, entry)
	}
	return l.failure
}

type world struct {
	*Policy
	t   *testing.T
	log *memoryLog
	at  time.Time
}

func configOf(mode Mode, rules ...string) Config {
	config := Config{Mode: mode}
	for _, text := range rules {
		text, from, _ := strings.Cut(text, " ")
		config.Rules = append(config.Rules, ConfigRule{Rule: text, From: from})
	}
	return config
}

func newWorld(t *testing.T, mode Mode, rules ...string) *world {
	t.Helper()
	made := &world{t: t, log: &memoryLog{}, at: time.Unix(1e9, 0)}
	policy, err := New(configOf(mode, rules...), made.log, func() time.Time { return made.at })
	if err != nil {
		t.Fatal(err)
	}
	made.Policy = policy
	return made
}

// resolve asks for a name and answers with addresses.
func (w *world) resolve(name string, addresses ...string) Decision {
	if decision := w.Query(name, 1); !decision.IsAllowed {
		return decision
	}
	var answered []Address
	for _, text := range addresses {
		answered = append(answered, Address{Address: netip.MustParseAddr(text), TTL: time.Minute})
	}
	return w.Answer(name, answered)
}

func (w *world) tcp(to string) Decision { return w.Connect(rule.TCP, netip.MustParseAddrPort(to)) }
func (w *world) udp(to string) Decision { return w.Connect(rule.UDP, netip.MustParseAddrPort(to)) }

func (w *world) expect(what string, decision Decision, isAllowed bool, text string) {
	w.t.Helper()
	if decision.IsAllowed != isAllowed || !strings.Contains(decision.Rule+decision.Reason, text) {
		w.t.Errorf("%s: %+v", what, decision)
	}
}

func TestWithOneRuleEverythingElseIsRefused(t *testing.T) {
	w := newWorld(t, Enforce, "good.test:443 @npm")
	w.expect("another name", w.Query("evil.test", 1), false, "no rule allows the name")
	w.expect("an address", w.tcp("192.0.2.1:443"), false, "no rule allows the address")
	w.expect("UDP", w.udp("192.0.2.1:443"), false, "no rule allows the address")
	w.expect("a ping", w.Ping(netip.MustParseAddr("192.0.2.1")), false, "no rule allows the address")
	w.expect("the name", w.resolve("good.test", "192.0.2.1"), true, "enforce")
	w.expect("the name's address", w.tcp("192.0.2.1:443"), true, "@npm")
	w.expect("another port", w.tcp("192.0.2.1:80"), false, "no rule allows this port")
	w.expect("UDP to the name", w.udp("192.0.2.1:443"), false, "no rule allows this port")
	w.expect("a ping of the name", w.Ping(netip.MustParseAddr("192.0.2.1")), true, "@npm")
	w.expect("an empty policy", newWorld(t, Enforce).tcp("192.0.2.1:443"), false, "no rule")
}

func TestARefusalNamesTheRuleThatWouldAllowIt(t *testing.T) {
	w := newWorld(t, Enforce, "good.test:443")
	w.resolve("good.test", "192.0.2.1", "2001:db8::1")
	for _, each := range []struct {
		decision Decision
		allow    string
	}{
		{w.Query("evil.test", 1), "evil.test"},
		{w.tcp("192.0.2.1:80"), "good.test:80"},
		{w.udp("[2001:db8::1]:443"), "udp/good.test:443"},
		{w.tcp("192.0.2.2:22"), "192.0.2.2:22"},
		{w.tcp("[2001:db8::2]:22"), "[2001:db8::2]:22"},
		{w.udp("[2001:db8::2]:53"), "udp/[2001:db8::2]:53"},
		{w.Ping(netip.MustParseAddr("2001:db8::2")), "2001:db8::2"},
		{w.tcp("169.254.169.254:80"), "169.254.169.254:80"},
		{w.tcp("127.0.0.1:80"), ""},
		{w.resolve("good.test", "10.0.0.1"), "10.0.0.1"},
		{w.Query("2.2.0.192.in-addr.arpa", typePTR), "192.0.2.2"},
		{w.Query("not a name", 1), ""},
	} {
		if each.decision.IsAllowed || each.decision.Allow != each.allow {
			t.Errorf("%+v instead of %q", each.decision, each.allow)
		}
	}
}

func TestWhatARefusalNamesDoesAllowIt(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	hosts := []string{"a.test", "b.a.test", "c.test"}
	addresses := []string{"192.0.2.1", "2001:db8::1", "10.0.0.1", "169.254.169.254", "fd00:ec2::254", "198.51.100.7"}
	for range 300 {
		w := newWorld(t, Enforce, "a.test:443", "udp/c.test:1-100")
		w.resolve(hosts[random.IntN(len(hosts))], addresses[random.IntN(len(addresses))])
		kind := []rule.Protocol{rule.TCP, rule.UDP}[random.IntN(2)]
		to := netip.AddrPortFrom(netip.MustParseAddr(addresses[random.IntN(len(addresses))]), uint16(random.IntN(500)+1))
		decision := w.Connect(kind, to)
		if decision.IsAllowed {
			continue
		}
		if err := w.Replace(configOf(Enforce, "a.test:443", "udp/c.test:1-100", decision.Allow)); err != nil {
			t.Fatalf("%+v: %v", decision, err)
		}
		if again := w.Connect(kind, to); !again.IsAllowed {
			t.Fatalf("%s %s: %+v, and then %+v", kind, to, decision, again)
		}
	}
}

func TestANameThatLeadsToAPrivateAddressIsRefusedUnlessTheAddressIsNamed(t *testing.T) {
	for _, address := range []string{
		"10.0.0.1", "192.168.1.1", "127.0.0.1", "169.254.169.254", "::1", "fe80::1", "fd00:ec2::254", "fc00::1", "0.0.0.0",
		"::ffff:10.0.0.1", "64:ff9b::a00:1", "100.64.0.1",
	} {
		w := newWorld(t, Enforce, "good.test")
		w.expect(address, w.resolve("good.test", "192.0.2.1", address), false, "the name leads to")
		w.expect("its public address", w.tcp("192.0.2.1:443"), false, "no rule")
	}
	w := newWorld(t, Enforce, "db.test:5432", "10.0.0.0/8:5432")
	w.expect("a named address", w.resolve("db.test", "10.1.2.3"), true, "")
	w.expect("its port", w.tcp("10.1.2.3:5432"), true, "10.0.0.0/8")
	w.expect("another port", w.tcp("10.1.2.3:22"), false, "this port")
}

func TestMetadataAddressesAreRefusedInEveryModeUnlessNamed(t *testing.T) {
	for _, mode := range []Mode{Unrestricted, Learn, Enforce} {
		for _, address := range []string{"169.254.169.254:80", "[fd00:ec2::254]:80", "[::ffff:169.254.169.254]:80", "[64:ff9b::a9fe:a9fe]:80"} {
			w := newWorld(t, mode, "0.0.0.0/0", "::/0")
			w.expect(address, w.tcp(address), false, "credentials")
			w.expect(address, w.udp(address), false, "credentials")
		}
		w := newWorld(t, mode, "169.254.169.254:80")
		w.expect("a named address", w.tcp("169.254.169.254:80"), true, "")
		for _, address := range []string{"127.0.0.1:80", "[::1]:80", "0.0.0.0:80", "127.77.1.1:80", "[::ffff:127.0.0.1]:80", "224.0.0.1:80"} {
			w := newWorld(t, mode, "0.0.0.0/0", "::/0")
			w.expect(address, w.tcp(address), false, "no rule can allow")
		}
	}
}

func TestAnAliasLeadsTheNameThatWasAskedAndNoOther(t *testing.T) {
	w := newWorld(t, Enforce, "good.test:443")
	// The answer for good.test is an alias of evil.test: only its addresses are told, for the name that was
	// asked.
	w.expect("an alias", w.resolve("good.test", "192.0.2.1"), true, "")
	w.expect("its address", w.tcp("192.0.2.1:443"), true, "good.test")
	w.expect("the alias itself", w.Query("evil.test", 1), false, "no rule")
	guard := w.NewGuard(netip.MustParseAddrPort("192.0.2.1:443"))
	if _, mustEnd := guard.Inspect([]byte("GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n")); !mustEnd {
		t.Error("the alias is reached at the address")
	}
}

func TestAConnectionIsForTheNameThatWasResolvedToItsAddress(t *testing.T) {
	request := "GET / HTTP/1.1\r\nHost: %s\r\n\r\n"
	for _, each := range []struct{ host, reason string }{
		{"good.test", ""},
		{"shared.test", ""},
		{"evil.test", "a server that no rule allows"},
		{"elsewhere.test", "was not resolved to this address"},
		{"192.0.2.1", "a server that no rule allows"},
	} {
		w := newWorld(t, Enforce, "good.test:80", "shared.test", "elsewhere.test")
		w.resolve("good.test", "192.0.2.1")
		w.resolve("shared.test", "192.0.2.1")
		w.resolve("elsewhere.test", "192.0.2.2")
		if decision := w.tcp("192.0.2.1:80"); !decision.NeedsGuard {
			t.Fatalf("%+v", decision)
		}
		guard := w.NewGuard(netip.MustParseAddrPort("192.0.2.1:80"))
		text := fmt.Sprintf(request, each.host)
		sent, mustEnd := guard.Inspect([]byte(text))
		if mustEnd != (each.reason != "") || (string(sent) == text) == mustEnd {
			t.Errorf("%s: ends %v, %q was sent", each.host, mustEnd, sent)
		}
		last := w.log.entries[len(w.log.entries)-1]
		if mustEnd && (last.Verdict != decisions.Refused || !strings.Contains(last.Reason, each.reason) || last.Name != each.host || last.Allow != each.host+":80") {
			t.Errorf("%s: the log has %+v", each.host, last)
		}
		guard.Close()
	}
}

func TestAProxyReachesForTheGuestWhatRulesAllow(t *testing.T) {
	w := newWorld(t, Enforce, "proxy.test:3128", "good.test:443", "192.0.2.7:443")
	w.resolve("proxy.test", "192.0.2.1")
	for request, isAllowed := range map[string]bool{
		"CONNECT good.test:443 HTTP/1.1\r\nHost: good.test:443\r\n\r\n":  true,
		"CONNECT 192.0.2.7:443 HTTP/1.1\r\nHost: 192.0.2.7:443\r\n\r\n":  true,
		"CONNECT good.test:80 HTTP/1.1\r\nHost: good.test:80\r\n\r\n":    false,
		"CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test:443\r\n\r\n":  false,
		"GET http://evil.test/ HTTP/1.1\r\nHost: proxy.test\r\n\r\n":     false,
		"CONNECT 192.0.2.8:443 HTTP/1.1\r\nHost: 192.0.2.8:443\r\n\r\n":  false,
		"GET https://good.test/ HTTP/1.1\r\nHost: good.test:443\r\n\r\n": true,
	} {
		guard := w.NewGuard(netip.MustParseAddrPort("192.0.2.1:3128"))
		if _, mustEnd := guard.Inspect([]byte(request)); mustEnd == isAllowed {
			t.Errorf("%q is allowed: %v", request, !isAllowed)
		}
		guard.Close()
	}
}

func TestANameIsForgottenWithItsPin(t *testing.T) {
	w := newWorld(t, Enforce, "good.test")
	w.resolve("good.test", "192.0.2.1")
	w.at = w.at.Add(time.Hour)
	w.expect("an old address", w.tcp("192.0.2.1:443"), false, "no rule allows the address")
}

func TestQueriesThatCouldCarryDataOrHideNamesAreRefused(t *testing.T) {
	w := newWorld(t, Enforce, "*.good.test", "good.test", "10.0.0.0/8")
	for _, each := range []struct {
		name       string
		recordType uint16
		isAllowed  bool
	}{
		{"a.good.test", 1, true},
		{"a.good.test", 16, true},
		{"good.test", typeHTTPS, false},
		{"good.test", typeSVCB, false},
		{"good.test", typeANY, false},
		{strings.Repeat("a", 63) + ".good.test", 1, false},
		{"1.2.3.10.in-addr.arpa", typePTR, true},
		{"1.2.3.11.in-addr.arpa", typePTR, false},
		{"data.1.2.3.10.in-addr.arpa", typePTR, false},
		{"x.ip6.arpa", typePTR, false},
		{strings.Repeat("1.", 32) + "ip6.arpa", typePTR, false},
	} {
		if decision := w.Query(each.name, each.recordType); decision.IsAllowed != each.isAllowed {
			t.Errorf("%s %d: %+v", each.name, each.recordType, decision)
		}
	}
	allowed := 0
	for each := range 1000 {
		if w.Query(fmt.Sprintf("%d.good.test", each), 1).IsAllowed {
			allowed++
		}
	}
	if allowed > 100 {
		t.Errorf("%d different names below a wildcard", allowed)
	}
}
