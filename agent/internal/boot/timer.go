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

// timerTolerance is how far the kernel's idea of its timer may be off, as a share.
const timerTolerance = 0.1

// errNoTimer: nothing will ever wake what sleeps.
var errNoTimer = errors.New("the kernel has no timer")

// checkTimer compares what the kernel has measured of its first processor's timer with the frequency that it
// has, in Hz. A kernel measures it by its processor's clock in the first tenth of a second, and on a host
// that lets an emulated processor wait meanwhile it may come to anything: sleeps would take many times as
// long, or, when it comes to next to nothing, the kernel gives the timer up and nothing that sleeps ever
// wakes. A kernel that does not tell is taken as it is.
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
		return fmt.Errorf("the kernel has measured its timer as %.1f MHz, and it has %.1f", measured/1e6, float64(hz)/1e6)
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
