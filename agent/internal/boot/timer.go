package boot

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"strconv"
	"strings"
)

// timerTolerance is how far the measured frequency may be off, as a fraction.
const timerTolerance = 0.1

// errNoTimer means that nothing will ever wake a sleeping process.
var errNoTimer = errors.New("the kernel has no timer")

// checkTimer compares the frequency that the kernel has measured for its first processor's timer with the
// real one, hz. The kernel measures it against its processor's clock in the first tenth of a second of the
// boot. A busy host may let an emulated processor wait at that time, and the result may then be anything:
// sleeps take many times as long, or the kernel considers the timer unusable and no sleep ever ends. A kernel
// that does not show its measurement passes the check.
func checkTimer(hz uint64) error {
	list, err := os.Open("/proc/timer_list")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer list.Close()
	measured, err := firstTimerHz(list)
	if err != nil {
		return err
	}
	if math.Abs(measured/float64(hz)-1) > timerTolerance {
		return fmt.Errorf("the kernel has measured its timer as %.1f MHz, but it runs at %.1f", measured/1e6, float64(hz)/1e6)
	}
	return nil
}

// firstTimerHz reads the frequency of the first processor's timer from /proc/timer_list (print_tickdevice()
// in the kernel's kernel/time/timer_list.c): a device counts mult / 2^shift ticks a nanosecond.
func firstTimerHz(list io.Reader) (float64, error) {
	lines := bufio.NewScanner(list)
	isFirst := false
	mult := 0.0
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if name == "Per CPU device" {
			isFirst = value == "0"
		}
		if !isFirst {
			continue
		}
		switch name {
		case "Clock Event Device":
			if value == "<NULL>" {
				return 0, errNoTimer
			}
		case "mult", "shift":
			number, err := strconv.ParseUint(value, 10, 32)
			if err != nil || name == "shift" && number >= 64 {
				return 0, fmt.Errorf("/proc/timer_list: %s %q", name, value)
			}
			if name == "shift" {
				return mult * 1e9 / math.Exp2(float64(number)), nil
			}
			mult = float64(number)
		}
	}
	if err := lines.Err(); err != nil {
		return 0, err
	}
	return 0, errNoTimer
}
