package identity

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
)

// Network is the wanted configuration of the guest's network interface. Without addresses there is no
// network.
type Network struct {
	// Addresses have the prefix length of their network: "10.0.2.15/24".
	Addresses   []netip.Prefix `json:"addresses"`
	Gateways    []netip.Addr   `json:"gateways"`
	Nameservers []netip.Addr   `json:"nameservers"`
}

// resolvMark begins a resolv.conf that the agent has written and may change.
const resolvMark = "# Written by banger"

func (n Network) check() error {
	for _, prefix := range n.Addresses {
		if !prefix.IsValid() || prefix.Addr().IsUnspecified() {
			return fmt.Errorf("network address %q lacks an address or a prefix length", prefix)
		}
	}
	for _, addr := range slices.Concat(n.Gateways, n.Nameservers) {
		if !addr.IsValid() || addr.IsUnspecified() || addr.Zone() != "" {
			return fmt.Errorf("%q is not an address of a gateway or nameserver", addr)
		}
	}
	if len(n.Addresses) == 0 && len(n.Gateways)+len(n.Nameservers) > 0 {
		return errors.New("network has gateways or nameservers but no address")
	}
	return nil
}

func (s System) network(n Network) error {
	if err := s.SetNetwork(n.Addresses, n.Gateways); err != nil {
		return err
	}
	path := s.Root + "/etc/resolv.conf"
	if len(n.Nameservers) > 0 {
		return writeFile(path, []byte(resolvConf(n.Nameservers)), 0o644)
	}
	// Without a nameserver, programs fail at once to resolve a name instead of waiting. The user's own file
	// stays.
	before, err := readSmall(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !strings.HasPrefix(string(before), resolvMark) {
		return nil
	}
	if err != nil {
		return err
	}
	return writeFile(path, []byte(resolvConf(nil)), 0o644)
}

// resolvConf returns a resolv.conf(5) with these servers.
func resolvConf(nameservers []netip.Addr) string {
	if len(nameservers) == 0 {
		return resolvMark + ": this VM has no network.\n"
	}
	text := resolvMark + ", at every start.\n"
	for _, server := range nameservers {
		text += "nameserver " + server.String() + "\n"
	}
	return text
}
