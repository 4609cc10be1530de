package identity

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"banger.dev/agent/internal/server/process"
)

// Pretend returns a System for an agent outside a VM, which must not change its machine: files are below
// root, and requests to the kernel are written to files in the folder kernel there.
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
		SetWorkDisk: func(mode string) error { return note("work-disk", mode) },
		SetHome: func(account process.Account, isFilled bool) error {
			return note("home", fmt.Sprint(account.Home, " ", account.UID, ":", account.GID, " ", isFilled))
		},
		Unmount: func(string) error { return nil },
	}
}
