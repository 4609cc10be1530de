package identity

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// recorder returns a System that only records the requests to its kernel.
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
			calls = append(calls, "clock "+now.UTC().Format(time.DateTime))
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
	p, err := Read(strings.NewReader(body))
	if err != nil {
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

func TestApplyRunsAllStepsInOrder(t *testing.T) {
	system, calls := recorder(t)
	p := decode(t, strings.ReplaceAll(`{"wallClockMs":1700000000123,"entropyBase64":"c2VlZA==","hostname":"web","machineId":"`+id+`",
		"files":[{"path":"/root/.ssh/authorized_keys","mode":384,"sizeBytes":4}]}`, "\n\t\t", "")+"\nkey\n")
	// The request arrived three seconds ago.
	if _, err := system.Apply(p, time.Now().Add(-3*time.Second)); err != nil {
		t.Fatal(err)
	}
	want := []string{"clock 2023-11-14 22:13:23", "entropy seed", "hostname web", "unmount machine-id"}
	if !reflect.DeepEqual(*calls, want) {
		t.Errorf("got %q, want %q", *calls, want)
	}
	for name, want := range map[string]string{
		"/etc/hostname":              "web\n",
		"/etc/hosts":                 "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\tweb.vm web\n",
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
	if _, err := system.Apply(decode(t, `{}`), time.Now()); err != nil || len(*calls) > 0 {
		t.Fatalf("got %q, error %v", *calls, err)
	}
	if entries, _ := os.ReadDir(system.Root + "/etc"); len(entries) > 0 {
		t.Fatalf("found %v", entries)
	}
}

func TestApplyStopsAtTheStepThatFailsAndNamesIt(t *testing.T) {
	steps := []struct{ name, sabotaged string }{
		{"clock", "/kernel/clock"},
		{"entropy", "/kernel/entropy"},
		{"hostname", "/kernel/hostname"},
		{"hostname", "/etc/hostname"},
		{"hostname", "/etc/hosts"},
		{"machine-id", "/etc/machine-id"},
		{"machine-id", "/run/log/journal/" + id + "/"},
		{"network", "/kernel/network"},
		{"files", "/etc/ssh/ssh_host_ed25519_key"},
	}
	written := []string{"/kernel/clock", "/kernel/entropy", "/kernel/hostname", "/etc/machine-id", "/kernel/network", "/etc/ssh/ssh_host_ed25519_key"}
	for _, step := range steps {
		t.Run(step.name+" "+step.sabotaged, func(t *testing.T) {
			root := t.TempDir()
			old := strings.Repeat("a", 32)
			if strings.HasSuffix(step.sabotaged, "/") {
				// A journal that cannot be renamed, because nothing can replace it.
				sabotageJournal(t, root, old)
			} else if err := os.MkdirAll(root+step.sabotaged, 0o755); err != nil {
				t.Fatal(err)
			}
			p := decode(t, `{"wallClockMs":1700000000000,"entropyBase64":"c2VlZA==","hostname":"web","machineId":"`+id+`","network":{}}`)
			p.Files = []File{{Path: "/etc/ssh/ssh_host_ed25519_key", Mode: 0o600, Content: []byte("key\n")}}
			_, err := Pretend(root).Apply(p, time.Now())
			failed := new(StepError)
			if !errors.As(err, &failed) || failed.Step != step.name || !strings.HasPrefix(err.Error(), step.name+": ") {
				t.Fatalf("got %v", err)
			}
			isLater := false
			for _, name := range written {
				info, err := os.Lstat(root + name)
				isDone := err == nil && info.Mode().IsRegular()
				if isLater && isDone {
					t.Errorf("%s was written after the step that failed", name)
				}
				isLater = isLater || name == step.sabotaged
			}
		})
	}
}

func sabotageJournal(t *testing.T, root, old string) {
	t.Helper()
	journal := root + "/run/log/journal"
	err := errors.Join(
		os.MkdirAll(root+"/etc", 0o755), os.WriteFile(root+"/etc/machine-id", []byte(old+"\n"), 0o444),
		os.MkdirAll(filepath.Dir(journal), 0o755), os.WriteFile(journal, nil, 0o644),
	)
	if err != nil {
		t.Fatal(err)
	}
}

func TestReadRejectsInvalidRequests(t *testing.T) {
	for _, body := range []string{
		``, `{`, `[]`, strings.Repeat(" ", maxHeaderBytes+20<<10),
		`{"wallClockMs":-1}`,
		`{"hostname":""}`, `{"hostname":"-a"}`, `{"hostname":"a b"}`, `{"hostname":"a..b"}`, `{"hostname":"` + strings.Repeat("a", 65) + `"}`,
		`{"machineId":"short"}`, `{"machineId":"` + strings.ToUpper(id) + `"}`, `{"machineId":"` + strings.Repeat("0", 32) + `"}`,
		`{"network":{"addresses":[""]}}`, `{"network":{"addresses":["0.0.0.0/0"]}}`, `{"network":{"gateways":["10.0.2.2"]}}`,
		`{"network":{"addresses":["10.0.2.15/24"],"nameservers":["fe80::1%eth0"]}}`,
		`{"files":[{"path":"etc/x","mode":420}]}`, `{"files":[{"path":"/etc/../x","mode":420}]}`, `{"files":[{"path":"/","mode":420}]}`,
		`{"files":[{"path":"/etc/x","mode":4096}]}`, `{"files":[{"path":"/etc/\u0000","mode":420}]}`,
		`{"files":[{"path":"/etc/x","mode":420,"how":"append"}]}`,
		`{"files":[{"path":"/etc/x","mode":420,"sizeBytes":-1}]}`, `{"files":[{"path":"/etc/x","mode":420,"sizeBytes":16777217}]}`,
		`{"files":[{"path":"/x","mode":420,"sizeBytes":16777216},{"path":"/y","mode":420,"sizeBytes":1}]}`,
		`{"files":[{"path":"/etc/x","mode":420,"sizeBytes":4}]}` + "\nkey", `{"files":[{"path":"/etc/x","mode":420,"sizeBytes":2}]}` + "\nkey",
		`{}` + "\n{}",
	} {
		if _, err := Read(strings.NewReader(body)); err == nil {
			t.Errorf("%.80s was accepted", body)
		}
	}
}

func TestReadGivesEachFileItsContent(t *testing.T) {
	long := strings.Repeat("long\n", 100_000)
	p := decode(t, fmt.Sprintf(`{"files":[{"path":"/a","mode":420,"sizeBytes":3},{"path":"/b","mode":420},{"path":"/c","mode":420,"sizeBytes":%d}]}`, len(long))+"\n\n\x00\n"+long)
	for i, want := range []string{"\n\x00\n", "", long} {
		if got := string(p.Files[i].Content); got != want {
			t.Errorf("%s: got %d bytes", p.Files[i].Path, len(got))
		}
	}
}

func TestHostsKeepsAllLinesButOurs(t *testing.T) {
	for _, test := range []struct{ before, name, want string }{
		{"127.0.0.1 localhost\n127.0.1.1 old old.lan\n10.0.0.1 db\n", "web", "127.0.0.1 localhost\n127.0.1.1\tweb.vm web\n10.0.0.1 db\n"},
		{"127.0.1.1 a\n127.0.1.1 b\n127.0.0.1 localhost\n", "web", "127.0.1.1\tweb.vm web\n127.0.0.1 localhost\n"},
		{"# 127.0.1.1 comment\n127.0.0.1 localhost", "web.example.org", "# 127.0.1.1 comment\n127.0.0.1 localhost\n127.0.1.1\tweb.example.org web\n"},
	} {
		if got := string(hostsWith([]byte(test.before), test.name)); got != test.want {
			t.Errorf("%q: got %q, want %q", test.before, got, test.want)
		}
	}
}

func TestMachineIDUpdatesTheCopiesThatExist(t *testing.T) {
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

func TestAMachineIDUnderAMountIsReplaced(t *testing.T) {
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
	// Without the unmount, the file is a mount point.
	if err := writeFile(file, []byte("in place"), 0o444); err != nil || read(t, above) != "in place" {
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

func TestTheJournalIsFoundUnderEachIDThatTheGuestHad(t *testing.T) {
	root := t.TempDir()
	system := Pretend(root)
	ids := []string{strings.Repeat("a", 32), id}
	journal := root + "/run/log/journal/"
	if err := os.MkdirAll(journal+ids[0], 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(journal+ids[0]+"/system.journal", []byte("log"), 0o640); err != nil {
		t.Fatal(err)
	}
	// More than the longest chain of symlinks (path_resolution(7)). The last id is one that the guest had
	// before.
	for i := range 50 {
		ids = append(ids, fmt.Sprintf("%032x", i+1))
	}
	for _, next := range append(ids, ids[0], ids[1]) {
		if err := system.machineID(next); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{ids[0], next} {
			if got := read(t, journal+name+"/system.journal"); got != "log" {
				t.Errorf("%s: got %q", name, got)
			}
		}
	}
	// An existing journal stays, and so does the running one.
	other := strings.Repeat("c", 32)
	if err := errors.Join(os.Mkdir(journal+other, 0o755), system.machineID(other)); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(journal + other); err != nil || !info.IsDir() {
		t.Errorf("got %v, %v", info, err)
	}
	if err := os.WriteFile(journal+ids[0]+"/next.journal", nil, 0o640); err != nil {
		t.Errorf("journald cannot continue to write: %v", err)
	}
}
