package identity

import (
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"reflect"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestTheNetworkIsSetAndItsNameserversAreWritten(t *testing.T) {
	system, calls := recorder(t)
	p := decode(t, `{"network":{"addresses":["10.0.2.15/24","fec0::15/64"],"gateways":["10.0.2.2"],"nameservers":["10.0.2.3","fec0::3"]}}`)
	if _, err := system.Apply(p, time.Now()); err != nil {
		t.Fatal(err)
	}
	if want := []string{"network [10.0.2.15/24 fec0::15/64] [10.0.2.2]"}; !reflect.DeepEqual(*calls, want) {
		t.Errorf("got %q", *calls)
	}
	want := "# Written by banger, at every start.\nnameserver 10.0.2.3\nnameserver fec0::3\n"
	if got := read(t, system.Root+"/etc/resolv.conf"); got != want {
		t.Errorf("got %q", got)
	}
	off := decode(t, `{"network":{}}`)
	if _, err := system.Apply(off, time.Now()); err != nil {
		t.Fatal(err)
	}
	if got := read(t, system.Root+"/etc/resolv.conf"); got != "# Written by banger: this VM has no network.\n" {
		t.Errorf("without a network: got %q", got)
	}
}

func TestWithoutANetworkTheUsersOwnResolvConfStays(t *testing.T) {
	system, _ := recorder(t)
	off := decode(t, `{"network":{"addresses":[]}}`)
	if _, err := system.Apply(off, time.Now()); err != nil {
		t.Fatal(err)
	}
	path := system.Root + "/etc/resolv.conf"
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("a file was made: %v", err)
	}
	if err := os.WriteFile(path, []byte("nameserver 192.0.2.1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := system.Apply(off, time.Now()); err != nil || read(t, path) != "nameserver 192.0.2.1\n" {
		t.Fatalf("got %q, error %v", read(t, path), err)
	}
}

func TestAnInterfaceThatCannotBeSetFailsTheNetworkStep(t *testing.T) {
	system, _ := recorder(t)
	system.SetNetwork = func([]netip.Prefix, []netip.Addr) error { return unix.EPERM }
	_, err := system.Apply(decode(t, `{"network":{}}`), time.Now())
	if err == nil || !errors.Is(err, unix.EPERM) || err.Error() != "network: operation not permitted" {
		t.Fatalf("got %v", err)
	}
}

func TestAnInvalidAddressIsRefused(t *testing.T) {
	for _, body := range []string{
		`{"network":{"addresses":["10.0.2.15"]}}`, `{"network":{"addresses":["10.0.2.15/33"]}}`, `{"network":{"addresses":["x/24"]}}`,
		`{"network":{"addresses":["10.0.2.15/24"],"gateways":["10.0.2.2/24"]}}`,
	} {
		if json.Unmarshal([]byte(body), new(Personalisation)) == nil {
			t.Errorf("%s was accepted", body)
		}
	}
}
