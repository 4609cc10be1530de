// Package network makes and deletes our bridges and taps. What it has made is marked with an alias, and it
// never changes a link without that mark, or of another kind, whatever its name.
package network

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"banger.dev/root/internal/refusal"
	"github.com/vishvananda/netlink"
)

// Aliases of our links. That of a tap whose guest has an address ends with it.
const (
	bridgeMark = "banger bridge"
	tapMark    = "banger tap"
)

// So many of them may exist: each costs memory of the kernel, which is not counted as the owner's.
const (
	maxBridges = 16
	maxTaps    = 1024
)

// deleteLink deletes a link; tests have it fail.
var deleteLink = netlink.LinkDel

// refuseMore returns an error if as many links with this mark exist as may.
func refuseMore(mark string, limit int) error {
	links, err := netlink.LinkList()
	if err != nil {
		return fmt.Errorf("reading the host's links: %w", err)
	}
	for _, link := range links {
		if alias := link.Attrs().Alias; alias == mark || strings.HasPrefix(alias, mark+" ") {
			limit--
		}
	}
	if limit <= 0 {
		return refusal.New(refusal.Conflict, "too many exist already: delete some first")
	}
	return nil
}

// find returns the link with this name; nil if there is none.
func find(name string) (netlink.Link, error) {
	link, err := netlink.LinkByName(name)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for the link %s: %w", name, err)
	}
	// The kernel also finds links by their other names.
	if link.Attrs().Name != name {
		return nil, notOurs(name)
	}
	return link, nil
}

// ownBridge returns our bridge with this name; nil if there is none.
func ownBridge(name string) (*netlink.Bridge, error) {
	link, err := find(name)
	if link == nil || err != nil {
		return nil, err
	}
	bridge, is := link.(*netlink.Bridge)
	if !is || bridge.Attrs().Alias != bridgeMark {
		return nil, notOurs(name)
	}
	return bridge, nil
}

// ownTap returns our tap with this name; nil if there is none. The alias decides: only root can set it. Who
// has a tap open can give it to another user, or have the kernel delete it at the last close. A tap of the
// owner that is down and has neither bridge nor alias is one of ours that was not finished: the kernel gives
// no alias to a link while it makes it.
func ownTap(name string, owner uint32) (*netlink.Tuntap, error) {
	link, err := find(name)
	if link == nil || err != nil {
		return nil, err
	}
	tap, is := link.(*netlink.Tuntap)
	if !is || tap.Mode != netlink.TUNTAP_MODE_TAP {
		return nil, notOurs(name)
	}
	alias := link.Attrs().Alias
	isMarked := alias == tapMark || strings.HasPrefix(alias, tapMark+" ")
	if !isMarked && (!isUnfinished(link) || isSpoiled(tap, owner)) {
		return nil, notOurs(name)
	}
	return tap, nil
}

// isSpoiled says whether a tap is not for the owner, or ends by itself.
func isSpoiled(tap *netlink.Tuntap, owner uint32) bool {
	return tap.Owner != owner || tap.NonPersist
}

func isUnfinished(link netlink.Link) bool {
	attrs := link.Attrs()
	return attrs.Alias == "" && attrs.Flags&net.FlagUp == 0 && attrs.MasterIndex == 0
}

// needTap is ownTap, for what must exist and be the owner's.
func needTap(name string, owner uint32) (*netlink.Tuntap, error) {
	tap, err := ownTap(name, owner)
	if err == nil && tap == nil {
		return nil, refusal.New(refusal.Conflict, "there is no tap %s: create it first", name)
	}
	if err == nil && isSpoiled(tap, owner) {
		return nil, notOurs(name)
	}
	return tap, err
}

// guestOf returns the address that a tap's alias ends with; none if it has none yet.
func guestOf(link netlink.Link) netip.Addr {
	text, has := strings.CutPrefix(link.Attrs().Alias, tapMark+" ")
	addr, err := netip.ParseAddr(text)
	if !has || err != nil {
		return netip.Addr{}
	}
	return addr
}

func notOurs(name string) error {
	return refusal.New(refusal.NotOurs, "%s exists, and banger has not made it", name)
}

// withoutIPv6 turns IPv6 off on a link, so that the host has no address that guests could reach. A host
// without IPv6 has no such setting.
func withoutIPv6(name string) error {
	path := filepath.Join("/proc/sys/net/ipv6/conf", name, "disable_ipv6")
	if err := os.WriteFile(path, []byte("1"), 0); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("turning IPv6 off on %s: %w", name, err)
	}
	return nil
}
