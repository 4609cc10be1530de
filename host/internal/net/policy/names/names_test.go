package names

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// clock is a time that only the test moves.
type clock struct{ at time.Time }

func (c *clock) now() time.Time          { return c.at }
func (c *clock) pass(time time.Duration) { c.at = c.at.Add(time) }

func newClock() *clock { return &clock{at: time.Unix(1e9, 0)} }

var address = netip.MustParseAddr("192.0.2.1")

func TestAPinLastsAsLongAsTheAnswerWithinItsLimits(t *testing.T) {
	for ttl, lasts := range map[time.Duration]time.Duration{
		0: PinFloor, -time.Hour: PinFloor, time.Minute: PinFloor, time.Hour: time.Hour, 1000 * time.Hour: PinCap,
	} {
		clock := newClock()
		pins := NewPins(clock.now)
		pins.Add("a.test", address, ttl)
		clock.pass(lasts - time.Second)
		if !slices.Equal(pins.Of(address), []string{"a.test"}) {
			t.Errorf("a TTL of %s does not last %s", ttl, lasts)
		}
		clock.pass(time.Second)
		if len(pins.Of(address)) > 0 || pins.Len() > 0 {
			t.Errorf("a TTL of %s lasts longer than %s", ttl, lasts)
		}
	}
}

func TestAnAddressHasTheNamesThatLedToItTheNewestLast(t *testing.T) {
	pins := NewPins(newClock().now)
	pins.Add("a.test", address, 0)
	pins.Add("b.test", netip.MustParseAddr("::ffff:192.0.2.1"), 0)
	pins.Add("c.test", netip.MustParseAddr("192.0.2.2"), 0)
	if found := pins.Of(address); !slices.Equal(found, []string{"a.test", "b.test"}) {
		t.Errorf("the names are %v", found)
	}
}

func TestAShorterAnswerDoesNotShortenAPin(t *testing.T) {
	clock := newClock()
	pins := NewPins(clock.now)
	pins.Add("a.test", address, time.Hour)
	pins.Add("a.test", address, time.Second)
	clock.pass(59 * time.Minute)
	if len(pins.Of(address)) != 1 || pins.Len() != 1 {
		t.Error("the pin was shortened")
	}
}

func TestTheTableOfPinsIsBounded(t *testing.T) {
	pins := NewPins(newClock().now)
	for each := range 3 * maxPins {
		pins.Add(fmt.Sprintf("%d.test", each), netip.AddrFrom4([4]byte{10, byte(each >> 16), byte(each >> 8), byte(each)}), 0)
	}
	for each := range 10 * maxNamesPerAddress {
		pins.Add(fmt.Sprintf("%d.test", each), address, 0)
	}
	if pins.Len() > maxPins || len(pins.byAddress) > maxPins || len(pins.Of(address)) > maxNamesPerAddress {
		t.Errorf("%d pins, %d addresses, %d names of one", pins.Len(), len(pins.byAddress), len(pins.Of(address)))
	}
	if names := pins.Of(address); names[len(names)-1] != fmt.Sprintf("%d.test", 10*maxNamesPerAddress-1) {
		t.Error("the newest name is missing")
	}
}

func TestABucketAllowsABurstAndThenARate(t *testing.T) {
	clock := newClock()
	bucket := NewBucket(10, 2, clock.now)
	take := func(tries int) (taken int) {
		for range tries {
			if bucket.Take() {
				taken++
			}
		}
		return taken
	}
	if taken := take(50); taken != 10 {
		t.Errorf("%d at once", taken)
	}
	clock.pass(3 * time.Second)
	if taken := take(50); taken != 6 {
		t.Errorf("%d after 3 s", taken)
	}
	clock.pass(-time.Hour)
	if taken := take(50); taken != 0 {
		t.Errorf("%d after the clock went back", taken)
	}
	clock.pass(1000 * time.Hour)
	if taken := take(50); taken != 10 {
		t.Errorf("%d after a long time", taken)
	}
}

func TestTunnelsAreLimitedByLengthAndRate(t *testing.T) {
	clock := newClock()
	tunnels := NewTunnels(clock.now)
	if reason := tunnels.Check("x", strings.Repeat("a", 51)); !strings.Contains(reason, "part of the name") {
		t.Errorf("a long label: %q", reason)
	}
	if reason := tunnels.Check("x", strings.Repeat("aaaaaaaaa.", 9)); !strings.Contains(reason, "too long") {
		t.Errorf("many labels: %q", reason)
	}
	allowed := 0
	for each := range 400 {
		if tunnels.Check(fmt.Sprintf("%d.a.test", each), fmt.Sprint(each)) == "" {
			allowed++
		}
	}
	if allowed != newNamesBurst {
		t.Errorf("%d new names at once", allowed)
	}
	if reason := tunnels.Check("1.a.test", "1"); reason != "" {
		t.Errorf("a known name: %q", reason)
	}
	if reason := tunnels.Check("whole.test", ""); reason != "" {
		t.Errorf("a name of a rule: %q", reason)
	}
	clock.pass(10 * time.Second)
	for each := range 1000 {
		reason := tunnels.Check("whole.test", "")
		if each < queriesBurst != (reason == "") {
			t.Fatalf("query %d: %q", each, reason)
		}
	}
}

func TestRememberedNamesAreBounded(t *testing.T) {
	tunnels := NewTunnels(newClock().now)
	for each := range 5 * maxKnownNames {
		tunnels.remember(fmt.Sprint(each))
	}
	if len(tunnels.known)+len(tunnels.previous) > 2*maxKnownNames || !tunnels.isKnown(fmt.Sprint(5*maxKnownNames-1)) {
		t.Error("the names are not the newest ones")
	}
}
