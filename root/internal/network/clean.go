package network

import (
	"errors"
	"fmt"
	"strings"

	"banger.dev/root/internal/firewall"
	"banger.dev/root/internal/request"
	"github.com/vishvananda/netlink"
)

// Clean deletes all taps and bridges that the helper has made, and all rules. Returns the
// names of the links. Links of others stay, whatever their names.
func Clean(owner uint32) ([]string, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("reading the host's links: %w", err)
	}
	var deleted []string
	var failures []error
	remove := func(link netlink.Link) {
		if err := deleteLink(link); err != nil {
			failures = append(failures, fmt.Errorf("deleting %s: %w", link.Attrs().Name, err))
			return
		}
		deleted = append(deleted, link.Attrs().Name)
	}
	for _, link := range links {
		name := link.Attrs().Name
		if !strings.HasPrefix(name, request.TapPrefix) {
			continue
		}
		if tap, err := ownTap(name, owner); err == nil && tap != nil {
			remove(tap)
		}
	}
	for _, link := range links {
		if _, is := link.(*netlink.Bridge); is && link.Attrs().Alias == bridgeMark {
			remove(link)
		}
	}
	// What could not be deleted stays closed.
	if len(failures) > 0 {
		return deleted, errors.Join(failures...)
	}
	return deleted, firewall.RemoveAll()
}
