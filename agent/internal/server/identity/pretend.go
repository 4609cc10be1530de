package identity

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"
)

// Pretend is a System for an agent outside of a VM, where the machine is not its own: files are under root,
// and what the kernel would be told is written to files in the folder kernel there.
func Pretend(root string) System {
	note := func(name, value string) error {
		return writeFile(root+"/kernel/"+name, []byte(value), 0o600)
	}
	return System{
		Root:        root,
		SetClock:    func(now time.Time) error { return note("clock", strconv.FormatInt(now.UnixMilli(), 10)) },
		AddEntropy:  func(entropy []byte) error { return note("entropy", string(entropy)) },
		SetHostname: func(name string) error { return note("hostname", name) },
		SetNetwork: func(addresses []netip.Prefix, gateways []netip.Addr) error {
			return note("network", fmt.Sprint(addresses, gateways))
		},
		Unmount: func(string) error { return nil },
	}
}
