package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"banger.dev/host/internal/net/policy/rule"
)

func TestWhatCannotBeLoggedIsRefused(t *testing.T) {
	w := newWorld(t, Enforce, "good.test", "192.0.2.9")
	w.resolve("good.test", "192.0.2.1")
	w.log.failure = errors.New("the disk is full")
	w.expect("a query", w.Query("good.test", 1), false, "could not be logged")
	w.expect("a connection", w.tcp("192.0.2.1:443"), false, "could not be logged")
	w.expect("an address", w.udp("192.0.2.9:443"), false, "no rule")
	w.expect("a ping", w.Ping(netip.MustParseAddr("192.0.2.9")), false, "could not be logged")
	if status := w.Status(); status.Unlogged != 4 {
		t.Errorf("%+v", status)
	}
	w.log.failure = nil
	w.expect("a query with room", w.Query("good.test", 1), true, "good.test")
}

func TestAChangeTakesEffectAtOnceAndABadOneNot(t *testing.T) {
	w := newWorld(t, Enforce, "good.test:443")
	w.resolve("good.test", "192.0.2.1")
	guard := w.NewGuard(netip.MustParseAddrPort("192.0.2.1:443"))
	if err := w.Replace(configOf(Enforce, "other.test")); err != nil {
		t.Fatal(err)
	}
	w.expect("the former name", w.tcp("192.0.2.1:443"), false, "no rule allows the name that leads there")
	if _, mustEnd := guard.Inspect([]byte("GET / HTTP/1.1\r\nHost: good.test\r\n\r\n")); !mustEnd {
		t.Error("a connection that has not sent anything stays allowed")
	}
	for _, config := range []Config{{}, {Mode: "all"}, configOf(Enforce, "*"), {Mode: Enforce, Rules: make([]ConfigRule, maxRules+1)}} {
		if err := w.Replace(config); err == nil {
			t.Errorf("%+v is in force", config)
		}
	}
	w.expect("the rule of before", w.Query("other.test", 1), true, "other.test")
}

func TestLearningAllowsEverythingAndFindsTheRules(t *testing.T) {
	w := newWorld(t, Learn)
	w.resolve("one.test", "192.0.2.1")
	w.resolve("two.test", "192.0.2.2")
	w.resolve("cdn.test", "192.0.2.2")
	w.expect("a name", w.tcp("192.0.2.1:443"), true, "learn")
	w.expect("an address", w.tcp("192.0.2.3:22"), true, "learn")
	decision := w.tcp("192.0.2.2:80")
	if !decision.IsAllowed || !decision.NeedsGuard {
		t.Fatalf("%+v", decision)
	}
	guard := w.NewGuard(netip.MustParseAddrPort("192.0.2.2:80"))
	text := "GET / HTTP/1.1\r\nHost: two.test\r\n\r\n"
	if sent, mustEnd := guard.Inspect([]byte(text)); mustEnd || string(sent) != text || guard.IsWaiting() {
		t.Error("learning holds up a connection")
	}
	guard.Close()
	guard.Close()
	odd := w.NewGuard(netip.MustParseAddrPort("192.0.2.2:8080"))
	if sent, mustEnd := odd.Inspect([]byte("GET nonsense HTTP/9\r\n")); mustEnd || len(sent) == 0 || odd.Expire() {
		t.Error("learning refuses")
	}
	odd.Close()
	learned, isLearning := w.Learned()
	var rules []string
	for _, each := range learned.Rules {
		rules = append(rules, each.Rule)
	}
	if text := strings.Join(rules, " "); !isLearning || text != "cdn.test:8080 one.test:443 two.test:80 192.0.2.3:22" {
		t.Errorf("learned %q", text)
	}
	if _, isLearning := newWorld(t, Enforce).Learned(); isLearning {
		t.Error("a policy that enforces learns")
	}
}

func TestCountersAreOfTheRulesInForce(t *testing.T) {
	w := newWorld(t, Enforce, "a.test:443 @x", "b.test:443 @x", "c.test")
	w.resolve("a.test", "192.0.2.1")
	w.resolve("b.test", "192.0.2.2")
	w.tcp("192.0.2.1:443")
	w.tcp("192.0.2.1:80")
	status := w.Status()
	if fmt.Sprint(status.Rules) != "[{@x 3} {c.test 0}]" || status.Refused != 1 || status.Mode != Enforce {
		t.Errorf("%+v", status)
	}
	if err := w.Replace(configOf(Enforce, "a.test:443 @x")); err != nil {
		t.Fatal(err)
	}
	if status := w.Status(); fmt.Sprint(status.Rules) != "[{@x 3}]" {
		t.Errorf("%+v", status)
	}
}

func TestCheckSaysWhatWouldHappen(t *testing.T) {
	w := newWorld(t, Enforce, "good.test:443 @npm", "10.0.0.0/8:5432", "db.test:5432")
	w.resolve("good.test", "192.0.2.1")
	for _, each := range []struct {
		target    string
		addresses []string
		isAllowed bool
		text      string
	}{
		{"good.test:443", nil, true, "@npm"},
		{"good.test:443", []string{"192.0.2.1"}, true, "@npm"},
		{"good.test:443", []string{"10.0.0.1"}, true, "@npm"},
		{"good.test:443", []string{"192.168.0.1"}, false, "private"},
		{"good.test:80", nil, false, "no rule allows tcp port 80"},
		{"udp/good.test:443", nil, false, "no rule allows udp port 443"},
		{"evil.test:443", nil, false, "DNS would refuse"},
		{"db.test:5432", []string{"10.0.0.1"}, true, "db.test"},
		{"10.0.0.1:5432", nil, true, "10.0.0.0/8"},
		{"10.0.0.1:22", nil, false, "no rule"},
		{"192.0.2.1:443", nil, true, "@npm"},
		{"169.254.169.254:80", nil, false, "credentials"},
	} {
		target, err := rule.Parse(each.target)
		if err != nil {
			t.Fatal(err)
		}
		var addresses []netip.Addr
		for _, text := range each.addresses {
			addresses = append(addresses, netip.MustParseAddr(text))
		}
		before := len(w.log.entries)
		check := w.Check(target, addresses)
		text := check.Rule + check.Reason + strings.Join(check.Steps, "; ")
		if check.IsAllowed != each.isAllowed || !strings.Contains(text, each.text) || len(check.Steps) == 0 {
			t.Errorf("%s: %+v", each.target, check)
		}
		if !check.IsAllowed && check.Allow == "" {
			t.Errorf("%s: no rule is suggested", each.target)
		}
		if len(w.log.entries) != before {
			t.Error("a check is logged")
		}
	}
}

func TestDecodeRefusesWhatItDoesNotKnow(t *testing.T) {
	for text, isValid := range map[string]bool{
		`{"mode":"enforce","rules":[{"rule":"a.test","from":"@npm"}]}`: true,
		`{"mode":"enforce","deny":["a.test"]}`:                         false,
		`{"mode":"enforce"}{"mode":"open"}`:                            false,
		`{`:                                                            false,
		`"` + strings.Repeat("a", maxConfigBytes) + `"`:                false,
	} {
		if _, err := Decode([]byte(text)); (err == nil) != isValid {
			t.Errorf("%.60s: %v", text, err)
		}
	}
}

// FuzzPolicy checks that in no order of events a connection is allowed that no rule is for.
func FuzzPolicy(f *testing.F) {
	f.Add([]byte{0, 0, 1, 0, 2, 0, 3, 0, 4, 0})
	f.Add([]byte{0, 1, 2, 1, 0, 2, 2, 2, 5, 5, 6, 6})
	f.Fuzz(func(t *testing.T, events []byte) {
		w := newWorld(t, Enforce, "good.test:1", "*.good.test:2", "udp/198.51.100.0/24:3")
		names := []string{"good.test", "a.good.test", "evil.test", "good.test.evil.test"}
		addresses := []string{"192.0.2.1", "198.51.100.1", "10.0.0.1", "127.0.0.1", "169.254.169.254", "2001:db8::1"}
		led := make(map[string]bool)
		for len(events) >= 2 {
			what, which := events[0], int(events[1])
			events = events[2:]
			name, address := names[which%len(names)], addresses[which/4%len(addresses)]
			if what%2 == 0 {
				if w.resolve(name, address).IsAllowed {
					led[name+" "+address] = true
				}
				continue
			}
			port, kind := uint16(what/2%4)+1, []rule.Protocol{rule.TCP, rule.UDP}[which%2]
			if !w.Connect(kind, netip.AddrPortFrom(netip.MustParseAddr(address), port)).IsAllowed {
				continue
			}
			byName := kind == rule.TCP && (port == 1 && led["good.test "+address] || port == 2 && led["a.good.test "+address])
			byAddress := kind == rule.UDP && port == 3 && address == "198.51.100.1"
			if !byName && !byAddress || strings.HasPrefix(address, "10.") {
				t.Fatalf("%s %s:%d is allowed", kind, address, port)
			}
		}
	})
}
