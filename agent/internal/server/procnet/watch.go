package procnet

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"time"
)

// MaxListeners is the most listeners that a Watch reports; it leaves out those with the highest ports.
const MaxListeners = 1024

// The kernel reports no new listener by itself, and each look costs an emulated guest milliseconds. Servers
// often start and stop one after another, so looks are less frequent when nothing has changed for a while. A
// user sees a new port within a second either way.
const (
	busyEvery = 400 * time.Millisecond
	calmEvery = 800 * time.Millisecond
	calmAfter = 30 * time.Second
)

// Listener is an address and TCP port on which something listens.
type Listener struct {
	Address string `json:"address"`
	Port    uint16 `json:"port"`
}

// Change is what happened to the listeners since the last report.
type Change struct {
	Opened []Listener `json:"opened,omitempty"`
	Closed []Listener `json:"closed,omitempty"`
}

// Watch calls report with all TCP listeners, and then with each change, until ctx ends or report fails. It
// reports at most one change for each look, however often listeners come and go.
func Watch(ctx context.Context, report func(Change) error) error {
	var before []netip.AddrPort
	changed := time.Now()
	for first := true; ; first = false {
		now, err := listeners()
		if err != nil {
			return err
		}
		change := Change{Opened: missing(now, before), Closed: missing(before, now)}
		if first || len(change.Opened) > 0 || len(change.Closed) > 0 {
			if err := report(change); err != nil {
				return err
			}
			changed = time.Now()
		}
		before = now
		select {
		case <-time.After(pause(time.Since(changed))):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// pause is the time until the next look.
func pause(sinceChange time.Duration) time.Duration {
	if sinceChange < calmAfter {
		return busyEvery
	}
	return calmEvery
}

// Addresses returns the addresses on which something listens on a TCP port now.
func Addresses(port uint16) ([]netip.Addr, error) {
	sockets, err := listening("tcp", "tcp6")
	var addresses []netip.Addr
	for _, socket := range sockets {
		if socket.Addr.Port() == port {
			addresses = append(addresses, socket.Addr.Addr())
		}
	}
	return addresses, err
}

// listeners returns the first MaxListeners TCP listeners in the order of port and address.
func listeners() ([]netip.AddrPort, error) {
	sockets, err := listening("tcp", "tcp6")
	if err != nil {
		return nil, err
	}
	found := make([]netip.AddrPort, 0, len(sockets))
	for _, socket := range sockets {
		found = append(found, socket.Addr)
	}
	slices.SortFunc(found, compare)
	found = slices.Compact(found)
	return found[:min(len(found), MaxListeners)], nil
}

func compare(a, b netip.AddrPort) int {
	return cmp.Or(cmp.Compare(a.Port(), b.Port()), a.Addr().Compare(b.Addr()))
}

// missing returns what of the sorted all is not in the sorted others.
func missing(all, others []netip.AddrPort) []Listener {
	var found []Listener
	for _, one := range all {
		if _, known := slices.BinarySearchFunc(others, one, compare); !known {
			found = append(found, Listener{one.Addr().String(), one.Port()})
		}
	}
	return found
}
