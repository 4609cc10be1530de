package network

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"banger.dev/root/internal/testnet"
	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
)

const tester = 4711

func TestMain(m *testing.M) { testnet.Main(m) }

func countRules(t *testing.T) int {
	t.Helper()
	conn, err := nftables.New()
	if err != nil {
		t.Fatal(err)
	}
	chains, err := conn.ListChains()
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, chain := range chains {
		rules, err := conn.GetRules(chain.Table, chain)
		if err != nil {
			t.Fatal(err)
		}
		count += len(rules)
	}
	return count
}

// failing makes the kernel keep links with this name.
func failing(t *testing.T, name string) {
	deleteLink = func(link netlink.Link) error {
		if link.Attrs().Name == name {
			return errors.New("it is busy")
		}
		return netlink.LinkDel(link)
	}
	t.Cleanup(func() { deleteLink = netlink.LinkDel })
}

func TestALinkThatCannotBeDeletedKeepsItsRules(t *testing.T) {
	testnet.Need(t)
	if err := EnsureBridge("br-fc", netip.MustParsePrefix("172.16.9.1/24")); err != nil {
		t.Fatal(err)
	}
	if err := CreateTap("bgr-0", "br-fc", tester); err != nil {
		t.Fatal(err)
	}
	before := countRules(t)
	failing(t, "bgr-0")
	deleted, err := Clean(tester)
	if err == nil || !strings.Contains(err.Error(), "bgr-0") || strings.Join(deleted, " ") != "br-fc" {
		t.Errorf("%v, %v", deleted, err)
	}
	if after := countRules(t); after != before {
		t.Errorf("%d rules of %d are left", after, before)
	}
	deleteLink = netlink.LinkDel
	if deleted, err := Clean(tester); err != nil || strings.Join(deleted, " ") != "bgr-0" || countRules(t) != 0 {
		t.Errorf("%v, %v, %d rules", deleted, err, countRules(t))
	}
}

func TestATapThatCannotBeFinishedOrDeletedKeepsItsRules(t *testing.T) {
	testnet.Need(t)
	t.Cleanup(func() { _, _ = Clean(tester) })
	if err := EnsureBridge("br-fc", netip.MustParsePrefix("172.16.9.1/24")); err != nil {
		t.Fatal(err)
	}
	before := countRules(t)
	failing(t, "bgr-1")
	finishTap = func(*netlink.Tuntap, netlink.Link) error { return errors.New("no memory") }
	t.Cleanup(func() { finishTap = setTapUp })
	if err := CreateTap("bgr-1", "br-fc", tester); err == nil || !strings.Contains(err.Error(), "no memory") || !strings.Contains(err.Error(), "busy") {
		t.Errorf("%v", err)
	}
	if after := countRules(t); after <= before {
		t.Errorf("%d rules, %d before", after, before)
	}
	deleteLink = netlink.LinkDel
	if err := CreateTap("bgr-1", "br-fc", tester); err == nil || strings.Contains(err.Error(), "busy") {
		t.Errorf("%v", err)
	}
	if after := countRules(t); after != before {
		t.Errorf("%d rules of no link are left, %d before", after, before)
	}
}
