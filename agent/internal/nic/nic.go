// Package nic sets up the guest's only network interface as the host requests. The agent does this instead of
// the image, so that it also works in images without systemd and in guests that were restored from a
// snapshot.
package nic

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// Interface is the guest's only network interface. It looks up the interface's name only once, so that a
// restored guest, in which all code runs slowly the first time, already has it. Not safe for concurrent use.
type Interface struct{ name string }

// Set makes these the only addresses and default gateways of the interface; without addresses it brings the
// interface down. A guest that has no interface needs no change to have no network, and cannot get one. IPv6
// is left out where the kernel has none.
func (i *Interface) Set(addresses []netip.Prefix, gateways []netip.Addr) (err error) {
	if i.name == "" {
		if i.name, err = find("/sys"); err != nil {
			return err
		}
	}
	if i.name == "" {
		if len(addresses) == 0 {
			return nil
		}
		return errors.New("there is no network interface")
	}
	if len(addresses) == 0 {
		if up, err := isUp(i.name); err != nil || !up {
			return err
		}
	}
	return setInterface(i.name, addresses, gateways)
}

// isUp asks in the cheapest way, because it runs at every start and most guests have no network.
func isUp(name string) (bool, error) {
	request, err := unix.NewIfreq(name)
	if err != nil {
		return false, err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false, fmt.Errorf("socket: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, request); err != nil {
		return false, fmt.Errorf("flags of %s: %w", name, err)
	}
	return request.Uint16()&unix.IFF_UP != 0, nil
}

// find returns the name of the virtio interface, or "" when the guest has none.
func find(sysfs string) (string, error) {
	found, err := filepath.Glob(filepath.Join(sysfs, "bus/virtio/drivers/virtio_net/virtio*/net/*"))
	if err != nil || len(found) == 0 {
		return "", err
	}
	return filepath.Base(found[0]), nil
}

func setInterface(name string, addresses []netip.Prefix, gateways []netip.Addr) error {
	device, err := net.InterfaceByName(name)
	if err != nil {
		return err
	}
	c, err := dial()
	if err != nil {
		return err
	}
	defer c.close()
	if err := c.removeOthers(device, addresses); err != nil {
		return err
	}
	if err := c.setUp(device.Index, len(addresses) > 0); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for _, address := range addresses {
		if err := c.addAddress(device.Index, address); err != nil && !isWithoutIPv6(address.Addr(), err) {
			return fmt.Errorf("address %s: %w", address, err)
		}
	}
	for _, gateway := range gateways {
		if err := c.setDefaultRoute(device.Index, gateway); err != nil && !isWithoutIPv6(gateway, err) {
			return fmt.Errorf("gateway %s: %w", gateway, err)
		}
	}
	return nil
}

// removeOthers removes all other addresses of the interface: a restored guest has those of its template.
func (c *conn) removeOthers(device *net.Interface, wanted []netip.Prefix) error {
	present, err := device.Addrs()
	if err != nil {
		return err
	}
	for _, address := range present {
		prefix, err := netip.ParsePrefix(address.String())
		if err != nil || prefix.Addr().IsLinkLocalUnicast() || slices.Contains(wanted, prefix) {
			continue
		}
		if err := c.deleteAddress(device.Index, prefix); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			return fmt.Errorf("address %s: %w", prefix, err)
		}
	}
	return nil
}

// isWithoutIPv6 reports whether an error only means that the kernel has no IPv6, or has it turned off. A
// gateway is then unreachable, because the guest has no address in its network.
func isWithoutIPv6(address netip.Addr, err error) bool {
	return address.Is6() && (errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EACCES) ||
		errors.Is(err, unix.EHOSTUNREACH) || errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.ENODEV))
}
