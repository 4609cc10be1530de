package helper_test

import (
	"net"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
)

const (
	ensure  = `{"bridge":"br-fc","address":"172.16.0.1","prefix":24}`
	newTap  = `{"tap":"bgr-0","bridge":"br-fc"}`
	assign  = `{"tap":"bgr-0","address":"172.16.0.2"}`
	oneTap  = `{"tap":"bgr-0"}`
	oneLink = `{"bridge":"br-fc"}`
)

func TestABridgeIsMadeOnceAndDeleted(t *testing.T) {
	h := startHost(t)
	h.do("bridge.ensure", ensure)
	first := links(t)["br-fc"]
	h.do("bridge.ensure", ensure)
	made := links(t)["br-fc"]
	if made.Type() != "bridge" || made.Attrs().Index != first.Attrs().Index || made.Attrs().Flags&net.FlagUp == 0 {
		t.Errorf("%+v", made)
	}
	addresses, _ := netlink.AddrList(made, netlink.FAMILY_ALL)
	if len(addresses) != 1 || addresses[0].IPNet.String() != "172.16.0.1/24" {
		t.Errorf("addresses: %v", addresses)
	}
	h.do("bridge.ensure", `{"bridge":"br-fc","address":"172.16.5.1","prefix":25}`)
	addresses, _ = netlink.AddrList(made, netlink.FAMILY_ALL)
	if len(addresses) != 1 || addresses[0].IPNet.String() != "172.16.5.1/25" {
		t.Errorf("addresses after a change: %v", addresses)
	}
	h.do("bridge.delete", oneLink)
	h.do("bridge.delete", oneLink)
	if len(links(t)) != 0 || len(rules(t)) != 0 {
		t.Errorf("left: %v %v", links(t), rules(t))
	}
}

func TestATapBelongsToTheOwnerAndIsIsolated(t *testing.T) {
	h := startHost(t)
	h.do("bridge.ensure", ensure)
	h.do("tap.create", newTap)
	h.do("tap.create", newTap)
	tap := links(t)["bgr-0"].(*netlink.Tuntap)
	isOwned := tap.Owner == owner && tap.Mode == netlink.TUNTAP_MODE_TAP && !tap.NonPersist
	if !isOwned || tap.Attrs().MasterIndex != links(t)["br-fc"].Attrs().Index {
		t.Errorf("%+v", tap)
	}
	info, err := netlink.LinkGetProtinfo(tap)
	if err != nil || !info.Isolated {
		t.Errorf("the port is not isolated: %+v, %v", info, err)
	}
	h.refuses("CONFLICT", "bridge.delete", oneLink)
	h.do("tap.delete", oneTap)
	h.do("tap.delete", oneTap)
	h.do("bridge.delete", oneLink)
	if len(links(t)) != 0 || len(rules(t)) != 0 {
		t.Errorf("left: %v %v", links(t), rules(t))
	}
}

func TestAGuestGetsAnAddressThatNoOtherHas(t *testing.T) {
	h := startHost(t)
	h.do("bridge.ensure", ensure)
	h.do("tap.create", newTap)
	h.do("tap.create", `{"tap":"bgr-1","bridge":"br-fc"}`)
	if made := h.do("tap.assign", assign); made.Result["mac"] != "06:00:ac:10:00:02" {
		t.Errorf("%+v", made)
	}
	h.do("tap.assign", assign)
	for _, address := range []string{"172.16.0.2", "172.16.0.1", "172.16.0.0", "172.16.0.255", "172.16.1.2", "10.0.0.1"} {
		h.refuses("CONFLICT", "tap.assign", `{"tap":"bgr-1","address":"`+address+`"}`)
	}
	h.refuses("CONFLICT", "tap.assign", `{"tap":"bgr-9","address":"172.16.0.9"}`)
	// The address is free again with its tap.
	h.do("tap.delete", oneTap)
	h.do("tap.assign", `{"tap":"bgr-1","address":"172.16.0.2"}`)
}

func TestEachGuestWithNatHasOneMasqueradeRule(t *testing.T) {
	h := startHost(t)
	h.do("bridge.ensure", ensure)
	for _, tap := range []string{"0", "1", "2"} {
		h.do("tap.create", `{"tap":"bgr-`+tap+`","bridge":"br-fc"}`)
		h.do("tap.assign", `{"tap":"bgr-`+tap+`","address":"172.16.0.1`+tap+`"}`)
	}
	for range 2 {
		h.do("nat.on", `{"tap":"bgr-1","address":"172.16.0.11"}`)
		h.do("nat.on", `{"tap":"bgr-2","address":"172.16.0.12"}`)
		// What a start of the daemon repeats.
		h.do("bridge.ensure", ensure)
		h.do("tap.create", `{"tap":"bgr-1","bridge":"br-fc"}`)
		h.do("tap.assign", `{"tap":"bgr-1","address":"172.16.0.11"}`)
	}
	found := rules(t)["banger postrouting"]
	if !reflect.DeepEqual(sorted(found), []string{"bgr-1", "bgr-2"}) {
		t.Errorf("masquerade rules: %v", found)
	}
	if text, _ := os.ReadFile("/proc/sys/net/ipv4/ip_forward"); strings.TrimSpace(string(text)) != "1" {
		t.Errorf("forwarding is %q", text)
	}
	h.do("nat.off", `{"tap":"bgr-1"}`)
	h.do("tap.delete", `{"tap":"bgr-2"}`)
	if found := rules(t)["banger postrouting"]; len(found) != 0 {
		t.Errorf("masquerade rules at the end: %v", found)
	}
	h.refuses("CONFLICT", "nat.on", `{"tap":"bgr-1","address":"172.16.0.12"}`)
	h.refuses("CONFLICT", "nat.on", `{"tap":"bgr-7","address":"172.16.0.12"}`)
}

func TestASubnetThatTheHostUsesIsRefused(t *testing.T) {
	h := startHost(t)
	uplink(t)
	h.refuses("CONFLICT", "bridge.ensure", `{"bridge":"br-fc","address":"10.77.0.1","prefix":16}`)
	h.refuses("CONFLICT", "bridge.ensure", `{"bridge":"br-fc","address":"10.0.0.1","prefix":8}`)
	h.refuses("CONFLICT", "bridge.ensure", `{"bridge":"br-fc","address":"192.168.9.129","prefix":25}`)
	if len(links(t)) != 2 || len(rules(t)) != 0 {
		t.Errorf("left: %v %v", links(t), rules(t))
	}
	h.do("bridge.ensure", `{"bridge":"br-fc","address":"10.78.0.1","prefix":16}`)
}

func TestUnfinishedLinksOfAKilledHelperAreFinished(t *testing.T) {
	h := startHost(t)
	add(t, &netlink.Bridge{LinkAttrs: attrs("br-fc")})
	add(t, &netlink.Tuntap{LinkAttrs: attrs("bgr-0"), Mode: netlink.TUNTAP_MODE_TAP, Owner: owner})
	add(t, &netlink.Tuntap{LinkAttrs: attrs("bgr-1"), Mode: netlink.TUNTAP_MODE_TAP, Owner: owner})
	h.do("bridge.ensure", ensure)
	h.do("tap.create", newTap)
	h.do("tap.delete", `{"tap":"bgr-1"}`)
	if found := links(t); len(found) != 2 || found["bgr-0"].Attrs().MasterIndex == 0 {
		t.Errorf("%v", found)
	}
}
