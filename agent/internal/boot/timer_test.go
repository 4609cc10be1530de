package boot

import (
	"errors"
	"math"
	"strings"
	"testing"
)

// The table of Linux 6.1 in a virtual machine with two processors, cut to the parts that are parsed.
const timerList = `Timer List Version: v0.9
HRTIMER_MAX_CLOCK_BASES: 8
now at 5284311622 nsecs

cpu: 0
 clock 0:
  .base:       00000000d3bb7b4c
  .hres_active    : 1

Tick Device: mode:     1
Broadcast device
Clock Event Device: <NULL>
tick_broadcast_mask: 0

Tick Device: mode:     1
Per CPU device: 0
Clock Event Device: lapic
 max_delta_ns:   34359738337
 min_delta_ns:   1000
 mult:           MULT
 shift:          32
 mode:           3
 event_handler:  hrtimer_interrupt

Tick Device: mode:     1
Per CPU device: 1
Clock Event Device: lapic
 mult:           7
 shift:          32
`

func TestFirstTimerHz(t *testing.T) {
	for _, c := range []struct {
		mult string
		hz   float64
	}{
		{"268435456", 62.5e6},
		{"1509813074", 351.53e6},
		{"0", 0},
	} {
		hz, err := firstTimerHz(strings.NewReader(strings.Replace(timerList, "MULT", c.mult, 1)))
		if err != nil || math.Abs(hz-c.hz) > 1e4 {
			t.Errorf("mult %s: %v, %v", c.mult, hz, err)
		}
	}
}

func TestAKernelWithoutTimer(t *testing.T) {
	for name, list := range map[string]string{
		"none of its own": strings.Replace(timerList, "Device: lapic", "Device: <NULL>", 1),
		"none listed":     "Timer List Version: v0.9\n",
	} {
		if hz, err := firstTimerHz(strings.NewReader(list)); !errors.Is(err, errNoTimer) {
			t.Errorf("%s: %v, %v", name, hz, err)
		}
	}
}

func FuzzFirstTimerHz(f *testing.F) {
	f.Add(timerList)
	f.Add(strings.Replace(timerList, "MULT", "99999999999999999999", 1))
	f.Fuzz(func(t *testing.T, list string) {
		hz, err := firstTimerHz(strings.NewReader(list))
		if err == nil && (hz < 0 || math.IsNaN(hz)) {
			t.Fatalf("%v of %q", hz, list)
		}
	})
}
