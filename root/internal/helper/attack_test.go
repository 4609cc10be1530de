package helper_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"banger.dev/root/internal/network"
	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// What a daemon of the owner could try that somebody else controls. Nothing of it may do anything.

func attrs(name string) netlink.LinkAttrs {
	made := netlink.NewLinkAttrs()
	made.Name = name
	return made
}

func add(t *testing.T, link netlink.Link) {
	t.Helper()
	if err := netlink.LinkAdd(link); err != nil {
		t.Fatal(err)
	}
	if tap, is := link.(*netlink.Tuntap); is {
		for _, fd := range tap.Fds {
			fd.Close()
		}
	}
}

// uplink makes a network card of the host, with an address and a route.
func uplink(t *testing.T) {
	t.Helper()
	add(t, &netlink.Veth{LinkAttrs: attrs("up0"), PeerName: "up1"})
	up0, _ := netlink.LinkByName("up0")
	up1, _ := netlink.LinkByName("up1")
	address, _ := netlink.ParseAddr("10.77.3.1/24")
	steps := []error{netlink.LinkSetUp(up0), netlink.LinkSetUp(up1), netlink.AddrAdd(up0, address)}
	_, far, _ := net.ParseCIDR("192.168.9.0/24")
	steps = append(steps, netlink.RouteAdd(&netlink.Route{LinkIndex: up0.Attrs().Index, Dst: far, Gw: net.ParseIP("10.77.3.2")}))
	for _, err := range steps {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func sorted(values []string) []string {
	copied := slices.Clone(values)
	slices.Sort(copied)
	return copied
}

// state is everything on this host that the helper could change.
func state(t *testing.T) string {
	t.Helper()
	var all []string
	for name, link := range links(t) {
		a := link.Attrs()
		addresses, _ := netlink.AddrList(link, netlink.FAMILY_V4)
		all = append(all, fmt.Sprintf("%s %s %q %v %d %d %v", name, link.Type(), a.Alias, a.Flags&net.FlagUp, a.MasterIndex, a.Index, addresses))
	}
	for chain, comments := range rules(t) {
		all = append(all, fmt.Sprintf("%s %v", chain, comments))
	}
	forwarding, _ := os.ReadFile("/proc/sys/net/ipv4/ip_forward")
	return strings.Join(sorted(all), "\n") + string(forwarding)
}

func TestLinksOfOthersAreNotTouchedWhateverTheirNames(t *testing.T) {
	h := startHost(t)
	h.do("bridge.ensure", `{"bridge":"br-fc-own","address":"172.20.0.1","prefix":24}`)
	h.do("tap.create", `{"tap":"bgr-own","bridge":"br-fc-own"}`)
	// A bridge of somebody else, in use.
	foreign := &netlink.Bridge{LinkAttrs: attrs("br-fc")}
	add(t, foreign)
	netlink.LinkSetUp(foreign)
	// Not a bridge at all, a card with the name of a tap, a tap of another user, a tun, and one without a mark.
	add(t, &netlink.Veth{LinkAttrs: attrs("br-fc-card"), PeerName: "bgr-card"})
	add(t, &netlink.Tuntap{LinkAttrs: attrs("bgr-other"), Mode: netlink.TUNTAP_MODE_TAP, Owner: owner + 1})
	add(t, &netlink.Tuntap{LinkAttrs: attrs("bgr-tun"), Mode: netlink.TUNTAP_MODE_TUN, Owner: owner})
	unmarked := &netlink.Tuntap{LinkAttrs: attrs("bgr-vpn"), Mode: netlink.TUNTAP_MODE_TAP, Owner: owner}
	add(t, unmarked)
	netlink.LinkSetUp(unmarked)
	// Another name of a link is not its name.
	if card, err := netlink.LinkByName("bgr-card"); err != nil || netlink.LinkAddAltName(card, "bgr-alt") != nil {
		t.Fatal("no other name", err)
	}
	before := state(t)
	for _, name := range []string{"br-fc", "br-fc-card"} {
		h.refuses("NOT_OURS", "bridge.ensure", `{"bridge":"`+name+`","address":"172.16.0.1","prefix":24}`)
		h.refuses("NOT_OURS", "bridge.delete", `{"bridge":"`+name+`"}`)
		h.refuses("NOT_OURS", "tap.create", `{"tap":"bgr-new","bridge":"`+name+`"}`)
		h.refuses("NOT_OURS", "resolver.set", `{"bridge":"`+name+`","server":"127.0.0.1:53"}`)
		h.refuses("NOT_OURS", "resolver.clear", `{"bridge":"`+name+`"}`)
	}
	for _, name := range []string{"bgr-card", "bgr-other", "bgr-tun", "bgr-vpn", "bgr-alt"} {
		h.refuses("NOT_OURS", "tap.create", `{"tap":"`+name+`","bridge":"br-fc-own"}`)
		h.refuses("NOT_OURS", "tap.assign", `{"tap":"`+name+`","address":"172.20.0.9"}`)
		h.refuses("NOT_OURS", "tap.delete", `{"tap":"`+name+`"}`)
		h.refuses("NOT_OURS", "nat.on", `{"tap":"`+name+`","address":"172.20.0.9"}`)
		h.refuses("NOT_OURS", "nat.off", `{"tap":"`+name+`"}`)
	}
	if after := state(t); after != before {
		t.Errorf("something changed:\n%s\n---\n%s", before, after)
	}
	if deleted, err := network.Clean(owner); err != nil || !reflect.DeepEqual(sorted(deleted), []string{"bgr-own", "br-fc-own"}) {
		t.Errorf("an uninstall deletes %v, %v", deleted, err)
	}
	if len(rules(t)) != 0 {
		t.Errorf("rules are left: %v", rules(t))
	}
}

func TestATapStaysOursWhateverItsUserMakesOfIt(t *testing.T) {
	h := startHost(t)
	h.do("bridge.ensure", ensure)
	spoil := func() {
		t.Helper()
		h.do("tap.create", newTap)
		fd := int(openTap(t, "bgr-0").Fd())
		if err := unix.IoctlSetInt(fd, unix.TUNSETOWNER, owner+1); err != nil {
			t.Fatal(err)
		}
		if err := unix.IoctlSetInt(fd, unix.TUNSETPERSIST, 0); err != nil {
			t.Fatal(err)
		}
	}
	spoil()
	h.refuses("NOT_OURS", "tap.assign", assign)
	h.do("tap.create", newTap)
	if tap := links(t)["bgr-0"].(*netlink.Tuntap); tap.Owner != owner || tap.NonPersist {
		t.Errorf("%+v", tap)
	}
	h.do("tap.assign", assign)
	h.do("tap.delete", oneTap)
	spoil()
	h.do("tap.delete", oneTap)
	spoil()
	if deleted, err := network.Clean(owner); err != nil || !reflect.DeepEqual(sorted(deleted), []string{"bgr-0", "br-fc"}) {
		t.Errorf("an uninstall deletes %v, %v", deleted, err)
	}
}

func TestTheNumberOfLinksIsLimited(t *testing.T) {
	h := startHost(t)
	const bridges = 16
	for i := range bridges {
		h.do("bridge.ensure", fmt.Sprintf(`{"bridge":"br-fc-%d","address":"10.9.%d.1","prefix":24}`, i, i))
	}
	before := state(t)
	h.refuses("CONFLICT", "bridge.ensure", ensure)
	h.do("bridge.ensure", `{"bridge":"br-fc-0","address":"10.9.0.1","prefix":24}`)
	if after := state(t); len(after) != len(before) {
		t.Errorf("something changed:\n%s\n---\n%s", before, after)
	}
	h.do("bridge.delete", `{"bridge":"br-fc-0"}`)
	h.do("bridge.ensure", ensure)
}

func TestRulesOfOthersStay(t *testing.T) {
	h := startHost(t)
	conn, _ := nftables.New()
	table := conn.AddTable(&nftables.Table{Name: "filter", Family: nftables.TableFamilyINet})
	policy := nftables.ChainPolicyDrop
	chain := conn.AddChain(&nftables.Chain{
		Name: "forward", Table: table, Type: nftables.ChainTypeFilter, Policy: &policy,
		Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityFilter,
	})
	conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}}})
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	before := rules(t)
	h.do("bridge.ensure", ensure)
	h.do("tap.create", newTap)
	h.do("tap.assign", assign)
	h.do("nat.on", assign)
	if during := rules(t); !reflect.DeepEqual(during["filter forward"], before["filter forward"]) {
		t.Errorf("%v", during)
	}
	h.do("nat.off", oneTap)
	h.do("tap.delete", oneTap)
	h.do("bridge.delete", oneLink)
	if after := rules(t); !reflect.DeepEqual(after, before) {
		t.Errorf("%v, not %v", after, before)
	}
}

func TestMalformedAndOversizedRequestsDoNothing(t *testing.T) {
	h := startHost(t)
	h.do("bridge.ensure", ensure)
	before, lines := state(t), len(h.audit.lines())
	attacks := []string{
		"", "\n", "\x00", "GET / HTTP/1.1\r\n\r\n", "null", `{"version":1}`,
		`{"version":1,"operation":"tap.delete","params":{"tap":"../br-fc"}}`,
		`{"version":1,"operation":"tap.delete","params":{"tap":"bgr-0; reboot"}}`,
		`{"version":1,"operation":"bridge.delete","params":{"bridge":"lo"}}`,
		`{"version":1,"operation":"bridge.delete","params":{"bridge":"br-fc","bridge":"lo"}}`,
		`{"version":1,"operation":"nat.on","params":{"tap":"bgr-0","address":"0.0.0.0"}}`,
		`{"version":1,"operation":"status"} {"version":1,"operation":"bridge.delete","params":{"bridge":"br-fc"}}`,
		strings.Repeat("a", 70<<10), strings.Repeat("[", 60<<10),
		`{"version":1,"operation":"bridge.delete","params":{"bridge":"br-fc"}` + strings.Repeat(" ", 70<<10) + `}`,
	}
	for _, attack := range attacks {
		if made := h.raw([]byte(attack)); made.OK || made.Error.Code != "BAD_REQUEST" {
			t.Errorf("%.60q: %+v", attack, made)
		}
	}
	if after := state(t); after != before {
		t.Errorf("something changed:\n%s\n---\n%s", before, after)
	}
	audited := h.audit.lines()[lines:]
	if len(audited) != len(attacks) {
		t.Errorf("%d audit lines for %d calls", len(audited), len(attacks))
	}
	for _, line := range audited {
		if line["msg"] != "helper call failed" || line["code"] != "BAD_REQUEST" || line["uid"] != float64(0) {
			t.Errorf("%v", line)
		}
	}
}

func TestAnotherUserIsRefusedEvenIfTheSocketIsOpenToAll(t *testing.T) {
	if os.Getenv("BANGER_TEST_CALL") != "" {
		conn, err := net.Dial("unix", os.Getenv("BANGER_TEST_CALL"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(conn, `{"version":1,"operation":"bridge.ensure","params":`+ensure+`}`)
		var made response
		json.NewDecoder(conn).Decode(&made)
		fmt.Printf("answer: %+v\n", made)
		return
	}
	h := startHost(t)
	os.Chmod(h.path, 0o666)
	os.Chmod(h.path[:len(h.path)-2], 0o755)
	// The program of these tests is in a folder of root.
	program, _ := os.ReadFile("/proc/self/exe")
	copied := h.path[:len(h.path)-2] + "/caller"
	if err := os.WriteFile(copied, program, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, uid := range []uint32{65534, owner - 1} {
		command := exec.Command(copied, "-test.run", "^"+t.Name()+"$")
		command.Dir = "/"
		command.Env = []string{"BANGER_TEST_CALL=" + h.path}
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		output, err := command.CombinedOutput()
		if err != nil || !strings.Contains(string(output), "Code:DENIED") {
			t.Errorf("user %d: %v %s", uid, err, output)
		}
	}
	if len(links(t)) != 0 {
		t.Errorf("%v", links(t))
	}
	audited := h.audit.lines()
	if len(audited) != 2 || audited[0]["code"] != "DENIED" || audited[0]["uid"] != float64(65534) {
		t.Errorf("%v", audited)
	}
}

func TestAThousandConnectionsAreRefusedAndTheHelperWorksAfterwards(t *testing.T) {
	h := startHost(t)
	before := openFiles(t)
	var open []net.Conn
	for range 1000 {
		conn, err := net.Dial("unix", h.path)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, conn)
	}
	busy := 0
	for _, conn := range open {
		conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		var made response
		json.NewDecoder(conn).Decode(&made)
		if made.Error.Code == "BUSY" {
			busy++
		} else if made.Error.Code != "BAD_REQUEST" {
			t.Fatalf("%+v", made)
		}
		conn.Close()
	}
	if busy < 900 {
		t.Errorf("only %d were refused at once", busy)
	}
	if count := len(h.audit.lines()); count != 1000 {
		t.Errorf("%d audit lines", count)
	}
	h.do("status", "{}")
	for attempt := 0; openFiles(t) > before+2; attempt++ {
		if attempt == 100 {
			t.Fatalf("%d files are open, %d were before", openFiles(t), before)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func openFiles(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestManyCallersAtOnceLeaveOneOfEach(t *testing.T) {
	h := startHost(t)
	done := make(chan response)
	for range 6 {
		go func() {
			made := h.call("bridge.ensure", ensure)
			h.call("tap.create", newTap)
			h.call("tap.assign", assign)
			h.call("nat.on", assign)
			done <- made
		}()
	}
	for range 6 {
		if made := <-done; !made.OK {
			t.Errorf("%+v", made)
		}
	}
	if len(links(t)) != 2 || len(rules(t)["banger postrouting"]) != 1 {
		t.Errorf("%v %v", links(t), rules(t))
	}
}
