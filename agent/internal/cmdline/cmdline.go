// Package cmdline reads the agent's parameters from the kernel command line (docs/agent-protocol.md).
package cmdline

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Mode is what the initramfs is to do.
type Mode string

const (
	// ModeBoot starts the image.
	ModeBoot Mode = "boot"
	// ModeProbe shows that this machine can run our kernel, and powers off.
	ModeProbe Mode = "probe"
)

// Options are the parameters that start with "banger.".
type Options struct {
	Mode Mode
	// OverlayFreeBytes is the free space that the root offers on top of the image.
	OverlayFreeBytes uint64
	// TimerHz is the frequency of the processors' timers, or 0 when the host does not know it.
	TimerHz uint64
	// Drives are the serials of the drives in the order of their devices, separated by commas, on a machine
	// whose drives have no serials of the host. See DriveOrder.
	Drives string
	// HasVsock says that the host connects over a vsock, not over a virtio port.
	HasVsock bool
	// EndsByRestart says that only a restart ends the VM: turning the machine off would leave it halted.
	EndsByRestart bool
	Debug         bool
}

// DriveOrder returns the serials of the drives in the order of their devices, or nothing when they have
// serials.
func (o Options) DriveOrder() []string {
	if o.Drives == "" {
		return nil
	}
	return strings.Split(o.Drives, ",")
}

// Read parses the command line of the running kernel. It needs /proc.
func Read() (Options, error) {
	text, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return Options{}, err
	}
	return Parse(string(text))
}

// Parse parses a kernel command line. It ignores parameters without our prefix; the later of two with the
// same name counts; and what follows a lone "--" is for the image's init
// (Documentation/admin-guide/kernel-parameters.rst). An unknown parameter with our prefix is an error, so
// that a typing mistake does not boot something else.
func Parse(line string) (Options, error) {
	options := Options{Mode: ModeBoot}
	for _, word := range split(line) {
		if word == "--" {
			break
		}
		name, value, hasValue := strings.Cut(word, "=")
		if err := options.set(name, value, hasValue); err != nil {
			return Options{}, err
		}
	}
	return options, nil
}

func (o *Options) set(name, value string, hasValue bool) error {
	switch name {
	case "banger.mode":
		if Mode(value) != ModeBoot && Mode(value) != ModeProbe {
			return fmt.Errorf("banger.mode=%q is not boot or probe", value)
		}
		o.Mode = Mode(value)
	case "banger.overlay_free":
		bytes, err := strconv.ParseUint(value, 10, 64)
		if err != nil {
			return fmt.Errorf("banger.overlay_free=%q is not a number of bytes", value)
		}
		o.OverlayFreeBytes = bytes
	case "banger.timer_hz":
		hz, err := strconv.ParseUint(value, 10, 64)
		if err != nil {
			return fmt.Errorf("banger.timer_hz=%q is not a frequency in Hz", value)
		}
		o.TimerHz = hz
	case "banger.drives":
		serials := strings.Split(value, ",")
		for at, serial := range serials {
			if serial == "" || slices.Contains(serials[:at], serial) {
				return fmt.Errorf("banger.drives=%q is not a list of different serials", value)
			}
		}
		o.Drives = value
	case "banger.agent":
		if value != "virtio" && value != "vsock" {
			return fmt.Errorf("banger.agent=%q is not virtio or vsock", value)
		}
		o.HasVsock = value == "vsock"
	case "banger.end":
		if value != "off" && value != "restart" {
			return fmt.Errorf("banger.end=%q is not off or restart", value)
		}
		o.EndsByRestart = value == "restart"
	case "banger.debug":
		if hasValue && value != "0" && value != "1" {
			return fmt.Errorf("banger.debug=%q is not 0 or 1", value)
		}
		o.Debug = value != "0"
	default:
		if strings.HasPrefix(name, "banger.") {
			return fmt.Errorf("%s is not a known parameter", name)
		}
	}
	return nil
}

// split splits at white space outside double quotes, and removes the quotes, as the kernel's next_arg() does.
func split(line string) []string {
	var words []string
	var word strings.Builder
	quoted, started := false, false
	for _, r := range line {
		switch {
		case r == '"':
			quoted, started = !quoted, true
		case !quoted && strings.ContainsRune(" \t\n\r\v\f", r):
			if started {
				words = append(words, word.String())
			}
			word.Reset()
			started = false
		default:
			word.WriteRune(r)
			started = true
		}
	}
	if started {
		words = append(words, word.String())
	}
	return words
}
