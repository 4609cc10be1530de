package nic

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// inNamespace is set in the process that runs in its own network namespace.
const inNamespace = "NIC_TEST_IN_NAMESPACE"

// isolated runs the test again as root in a new network namespace. It returns true in that second run.
func isolated(t *testing.T) bool {
	t.Helper()
	if os.Getenv(inNamespace) != "" {
		return true
	}
	command := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	command.Env = append(os.Environ(), inNamespace+"=1")
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
	}
	output, err := command.CombinedOutput()
	if err != nil && len(output) == 0 {
		t.Skipf("no namespaces here: %v", err)
	}
	if err != nil || !strings.Contains(string(output), "--- PASS: "+t.Name()) {
		t.Fatalf("%v\n%s", err, output)
	}
	return false
}

func prefixes(texts ...string) []netip.Prefix {
	var list []netip.Prefix
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

func addressesOf(t *testing.T, device string) (texts []string, isUp bool) {
	t.Helper()
	found, err := net.InterfaceByName(device)
	if err != nil {
		t.Fatal(err)
	}
	addresses, err := found.Addrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range addresses {
		texts = append(texts, address.String())
	}
	slices.Sort(texts)
	return texts, found.Flags&net.FlagUp != 0
}

func routes(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile("/proc/net/" + file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The only interface of a new namespace is "lo". The kernel treats it like any other interface.
func TestAnInterfaceGetsItsAddressesAndGatewaysAndLosesOthers(t *testing.T) {
	if !isolated(t) {
		return
	}
	v4, v6 := netip.MustParseAddr("10.0.2.2"), netip.MustParseAddr("fec0::2")
	for range 2 {
		if err := setInterface("lo", prefixes("10.0.2.15/24", "fec0::15/64"), []netip.Addr{v4, v6}); err != nil {
			t.Fatal(err)
		}
	}
	if got, isUp := addressesOf(t, "lo"); !isUp || !slices.Equal(got, []string{"10.0.2.15/24", "fec0::15/64"}) && !slices.Equal(got, []string{"10.0.2.15/24"}) {
		t.Fatalf("got %v, up %v", got, isUp)
	}
	// proc(5): destination 0, gateway 10.0.2.2 with its bytes reversed.
	if table := routes(t, "route"); !strings.Contains(table, "\t00000000\t0202000A\t") {
		t.Errorf("no default route in\n%s", table)
	}
	if err := setInterface("lo", prefixes("10.0.2.16/24"), nil); err != nil {
		t.Fatal(err)
	}
	if got, _ := addressesOf(t, "lo"); !slices.Equal(got, []string{"10.0.2.16/24"}) {
		t.Errorf("after another address: got %v", got)
	}
	if err := setInterface("lo", nil, nil); err != nil {
		t.Fatal(err)
	}
	if got, isUp := addressesOf(t, "lo"); isUp || len(got) > 0 {
		t.Errorf("after the end: got %v, up %v", got, isUp)
	}
}

func TestAnInterfaceThatIsDownStaysDown(t *testing.T) {
	if !isolated(t) {
		return
	}
	device := &Interface{name: "lo"}
	if up, err := isUp("lo"); up || err != nil {
		t.Fatalf("at first: up %v, error %v", up, err)
	}
	if err := device.Set(nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := device.Set(prefixes("10.0.2.15/24"), nil); err != nil {
		t.Fatal(err)
	}
	if up, err := isUp("lo"); !up || err != nil {
		t.Fatalf("with an address: up %v, error %v", up, err)
	}
	if err := device.Set(nil, nil); err != nil {
		t.Fatal(err)
	}
	if got, isUp := addressesOf(t, "lo"); isUp || len(got) > 0 {
		t.Errorf("after the end: got %v, up %v", got, isUp)
	}
	if _, err := isUp("no-such"); err == nil {
		t.Error("an interface that is not there is down")
	}
}

func TestAGatewayThatCannotBeReachedIsAnError(t *testing.T) {
	if !isolated(t) {
		return
	}
	err := setInterface("lo", prefixes("10.0.2.15/24"), []netip.Addr{netip.MustParseAddr("192.0.2.1")})
	if err == nil || !strings.HasPrefix(err.Error(), "gateway 192.0.2.1: ") {
		t.Fatalf("got %v", err)
	}
}

func TestTheVirtioInterfaceIsFound(t *testing.T) {
	sysfs := t.TempDir()
	if name, err := find(sysfs); name != "" || err != nil {
		t.Fatalf("got %q, error %v", name, err)
	}
	for _, path := range []string{"virtio_blk/virtio0", "virtio_net/virtio3/net/eth0"} {
		if err := os.MkdirAll(filepath.Join(sysfs, "bus/virtio/drivers", path), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if name, err := find(sysfs); name != "eth0" || err != nil {
		t.Fatalf("got %q, error %v", name, err)
	}
}
