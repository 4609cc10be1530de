package pid1

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func TestDiskMountsReturnsTheLatestFirstWithoutTheRoot(t *testing.T) {
	table := `21 1 253:0 / / rw,relatime - ext4 /dev/mapper/root rw
22 21 0:5 / /dev rw,nosuid - devtmpfs devtmpfs rw,size=4k
23 21 254:32 / /root rw,relatime shared:1 master:2 - ext4 /dev/vdc rw
24 21 254:48 / /lib/modules/6.1 ro - ext4 /dev/vdd ro
25 23 7:0 / /root/with\040space\134 rw - ext4 /dev/loop0 rw
26 21 0:44 / /data rw - nfs host:/export rw
not a line
`
	want := []string{`/root/with space\`, "/lib/modules/6.1", "/root"}
	if got := diskMounts(table); !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
}

func TestUnescapeLeavesOtherBackslashes(t *testing.T) {
	for in, want := range map[string]string{`a\040b`: "a b", `\`: `\`, `\04`: `\04`, `\999`: `\999`, `\011\012`: "\t\n"} {
		if got := unescape(in); got != want {
			t.Errorf("unescape(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzDiskMounts(f *testing.F) {
	f.Add("23 21 254:32 / /root rw - ext4 /dev/vdc rw\n")
	f.Fuzz(func(t *testing.T, table string) {
		if slices.Contains(diskMounts(table), "/") {
			t.Fatal("the root is among them")
		}
	})
}

func TestParseHostname(t *testing.T) {
	for in, want := range map[string]string{"box\n": "box", "# c\n\n box \nother": "box", "": "", "\n#x\n": ""} {
		if got := parseHostname(in); got != want {
			t.Errorf("parseHostname(%q) = %q, want %q", in, got, want)
		}
	}
}

// ended returns the pids one after another, then 0, as wait4 with WNOHANG does.
func ended(pids ...int) func() int {
	return func() int {
		if len(pids) == 0 {
			return 0
		}
		pid := pids[0]
		pids = pids[1:]
		return pid
	}
}

func TestReapRecognisesTheAgentAndKillsItsCommands(t *testing.T) {
	var killed []unix.Signal
	k := keeper{
		agent:   []string{"agent"},
		start:   func([]string) (int, error) { return 7, nil },
		killAll: func(signal unix.Signal) { killed = append(killed, signal) },
	}
	if err := k.startAgent(); err != nil {
		t.Fatal(err)
	}
	if k.reap(ended(3, 4)) || len(killed) != 0 {
		t.Fatal("an orphan counted as the agent")
	}
	if !k.reap(ended(3, 7, 9)) || !slices.Equal(killed, []unix.Signal{unix.SIGKILL}) {
		t.Fatalf("killed %v", killed)
	}
	if k.reap(ended(7)) {
		t.Fatal("a later process with the same number counted as the agent")
	}
}
