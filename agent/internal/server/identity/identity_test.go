package identity

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// recorder is a System whose kernel only remembers what was asked of it.
func recorder(t *testing.T) (System, *[]string) {
	t.Helper()
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	var calls []string
	return System{
		Root: root,
		SetClock: func(now time.Time) error {
			calls = append(calls, "clock "+now.UTC().Format(time.RFC3339Nano))
			return nil
		},
		AddEntropy:  func(b []byte) error { calls = append(calls, "entropy "+string(b)); return nil },
		SetHostname: func(name string) error { calls = append(calls, "hostname "+name); return nil },
		SetNetwork: func(addresses []netip.Prefix, gateways []netip.Addr) error {
			calls = append(calls, fmt.Sprint("network ", addresses, gateways))
			return nil
		},
		Unmount: func(path string) error { calls = append(calls, "unmount "+filepath.Base(path)); return nil },
	}, &calls
}

func decode(t *testing.T, body string) Personalisation {
	t.Helper()
	var p Personalisation
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

const id = "0123456789abcdef0123456789abcdef"

func TestApplyDoesAllStepsInOrder(t *testing.T) {
	system, calls := recorder(t)
	p := decode(t, `{"wallClockMs":1700000000123,"entropyBase64":"c2VlZA==","hostname":"web","machineId":"`+id+`",
		"files":[{"path":"/root/.ssh/authorized_keys","mode":384,"contentBase64":"a2V5Cg=="}]}`)
	if err := errors.Join(p.Check(), system.Apply(p)); err != nil {
		t.Fatal(err)
	}
	want := []string{"clock 2023-11-14T22:13:20.123Z", "entropy seed", "hostname web", "unmount machine-id"}
	if !reflect.DeepEqual(*calls, want) {
		t.Errorf("got %q, want %q", *calls, want)
	}
	for name, want := range map[string]string{
		"/etc/hostname":              "web\n",
		"/etc/hosts":                 "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\tweb\n",
		"/etc/machine-id":            id + "\n",
		"/root/.ssh/authorized_keys": "key\n",
	} {
		if got := read(t, system.Root+name); got != want {
			t.Errorf("%s: got %q", name, got)
		}
	}
	info, err := os.Stat(system.Root + "/root/.ssh/authorized_keys")
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("got mode %v, error %v", info.Mode(), err)
	}
}

func TestApplyOfNothingChangesNothing(t *testing.T) {
	system, calls := recorder(t)
	if err := system.Apply(decode(t, `{}`)); err != nil || len(*calls) > 0 {
		t.Fatalf("got %q, error %v", *calls, err)
	}
	if entries, _ := os.ReadDir(system.Root + "/etc"); len(entries) > 0 {
		t.Fatalf("found %v", entries)
	}
}

func TestApplyStopsAtTheStepThatFailsAndNamesIt(t *testing.T) {
	system, calls := recorder(t)
	system.SetHostname = func(string) error { return unix.EPERM }
	err := system.Apply(decode(t, `{"entropyBase64":"c2VlZA==","hostname":"web","machineId":"`+id+`"}`))
	if err == nil || !strings.HasPrefix(err.Error(), "hostname: ") || !errors.Is(err, unix.EPERM) {
		t.Fatalf("got %v", err)
	}
	if want := []string{"entropy seed"}; !reflect.DeepEqual(*calls, want) {
		t.Errorf("got %q", *calls)
	}
	if _, err := os.Stat(system.Root + "/etc/machine-id"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a later step was done: %v", err)
	}
}

func TestCheckFindsWhatCannotBe(t *testing.T) {
	for _, body := range []string{
		`{"wallClockMs":-1}`,
		`{"hostname":""}`, `{"hostname":"-a"}`, `{"hostname":"a b"}`, `{"hostname":"a..b"}`, `{"hostname":"` + strings.Repeat("a", 65) + `"}`,
		`{"machineId":"short"}`, `{"machineId":"` + strings.ToUpper(id) + `"}`, `{"machineId":"` + strings.Repeat("0", 32) + `"}`,
		`{"network":{"addresses":[""]}}`, `{"network":{"addresses":["0.0.0.0/0"]}}`, `{"network":{"gateways":["10.0.2.2"]}}`,
		`{"network":{"addresses":["10.0.2.15/24"],"nameservers":["fe80::1%eth0"]}}`,
		`{"files":[{"path":"etc/x","mode":420}]}`, `{"files":[{"path":"/etc/../x","mode":420}]}`, `{"files":[{"path":"/","mode":420}]}`,
		`{"files":[{"path":"/etc/x","mode":4096}]}`, `{"files":[{"path":"/etc/\u0000","mode":420}]}`,
	} {
		if decode(t, body).Check() == nil {
			t.Errorf("%s was taken", body)
		}
	}
}

func TestHostsKeepsAllLinesButOurs(t *testing.T) {
	for _, test := range []struct{ before, name, want string }{
		{"127.0.0.1 localhost\n127.0.1.1 old old.lan\n10.0.0.1 db\n", "web", "127.0.0.1 localhost\n127.0.1.1\tweb\n10.0.0.1 db\n"},
		{"127.0.1.1 a\n127.0.1.1 b\n127.0.0.1 localhost\n", "web", "127.0.1.1\tweb\n127.0.0.1 localhost\n"},
		{"# 127.0.1.1 comment\n127.0.0.1 localhost", "web.example.org", "# 127.0.1.1 comment\n127.0.0.1 localhost\n127.0.1.1\tweb.example.org web\n"},
	} {
		if got := string(hostsWith([]byte(test.before), test.name)); got != test.want {
			t.Errorf("%q: got %q, want %q", test.before, got, test.want)
		}
	}
}

func TestMachineIDGoesToTheCopiesThatAreThere(t *testing.T) {
	system, _ := recorder(t)
	dbus := system.Root + "/var/lib/dbus"
	if err := errors.Join(os.MkdirAll(dbus, 0o755), os.Mkdir(system.Root+"/run", 0o755)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Symlink("/etc/machine-id", dbus+"/machine-id"), os.WriteFile(system.Root+"/run/machine-id", []byte("old"), 0o444)); err != nil {
		t.Fatal(err)
	}
	if err := system.machineID(id); err != nil {
		t.Fatal(err)
	}
	if got := read(t, system.Root+"/run/machine-id"); got != id+"\n" {
		t.Errorf("got %q", got)
	}
	if target, err := os.Readlink(dbus + "/machine-id"); err != nil || target != "/etc/machine-id" {
		t.Errorf("the symlink became %q, %v", target, err)
	}
}

func TestReplaceFileReplacesASymlinkAndLeavesNothingElse(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(dir, "outside")
	if err := errors.Join(os.WriteFile(outside, []byte("safe"), 0o644), os.Symlink(outside, filepath.Join(dir, "link"))); err != nil {
		t.Fatal(err)
	}
	if err := replaceFile(filepath.Join(dir, "link"), []byte("new"), 0o4755); err != nil {
		t.Fatal(err)
	}
	if got := read(t, outside); got != "safe" {
		t.Errorf("wrote through the symlink: %q", got)
	}
	info, err := os.Lstat(filepath.Join(dir, "link"))
	if err != nil || info.Mode() != fs.ModeSetuid|0o755 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
	if err := replaceFile(dir, nil, 0o644); err == nil {
		t.Error("replaced a directory")
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestAMountedMachineIDIsReplacedUnderneath(t *testing.T) {
	system, _ := recorder(t)
	system.Unmount = unmount
	file, above := system.Root+"/etc/machine-id", system.Root+"/above"
	if err := errors.Join(os.WriteFile(file, nil, 0o444), os.WriteFile(above, []byte("passing"), 0o444)); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(above, file, "", unix.MS_BIND, ""); err != nil {
		t.Skipf("cannot mount here: %v", err)
	}
	defer unix.Unmount(file, unix.MNT_DETACH)
	// Without the unmount: a file that something is mounted on.
	if err := replaceFile(file, []byte("in place"), 0o444); err != nil || read(t, above) != "in place" {
		t.Fatalf("got %q, error %v", read(t, above), err)
	}
	if err := system.machineID(id); err != nil {
		t.Fatal(err)
	}
	if got, under := read(t, file), read(t, above); got != id+"\n" || under != "in place" {
		t.Fatalf("got %q over %q", got, under)
	}
	if err := unmount(file); err != nil {
		t.Fatalf("a file that is no mount: %v", err)
	}
}
