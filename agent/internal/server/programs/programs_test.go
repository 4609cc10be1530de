package programs

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

type process struct {
	pid, parent int
	name        string
	state       byte
	flags       uint64
	group       string
}

func writeProc(t *testing.T, processes ...process) string {
	t.Helper()
	proc := t.TempDir()
	for _, p := range processes {
		dir := filepath.Join(proc, fmt.Sprint(p.pid))
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		state := p.state
		if state == 0 {
			state = 'S'
		}
		stat := fmt.Sprintf("%d (%s) %c %d 1 1 0 -1 %d 0 0\n", p.pid, p.name, state, p.parent, p.flags)
		for name, text := range map[string]string{"stat": stat, "cgroup": p.group} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(proc, "meminfo"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return proc
}

func TestProgramsOfTheSystemDoNotCount(t *testing.T) {
	proc := writeProc(t,
		process{pid: 1, name: "systemd", group: "0::/init.scope\n"},
		process{pid: 2, name: "kthreadd", flags: kernelThread | 0x40, group: "0::/\n"},
		process{pid: 99, parent: 1, name: "agent", group: "0::/banger-agent.service\n"},
		process{pid: 100, parent: 1, name: "systemd-journal", group: "0::/system.slice/systemd-journald.service\n"},
		process{pid: 106, parent: 1, name: "systemd-udevd", group: "0::/system.slice/systemd-udevd.service/udev\n"},
		process{pid: 101, parent: 1, name: "dbus-daemon", group: "0::/system.slice/dbus.service\n"},
		process{pid: 102, parent: 1, name: "sshd", group: "0::/system.slice/ssh.service\n"},
		process{pid: 103, parent: 1, name: "agetty", group: "0::/system.slice/system-serial\\x2dgetty.slice/serial-getty@ttyS0.service\n"},
		process{pid: 104, parent: 99, name: "sh", state: 'Z', group: "0::/banger-agent.service\n"},
		process{pid: 105, parent: 1, name: "(sd-pam)", group: "0::/user.slice/user-0.slice/user@0.service/init.scope\n"},
	)
	if count, err := Count(proc, 99); err != nil || count != 0 {
		t.Fatal(count, err)
	}
}

func TestProgramsOfUsersCount(t *testing.T) {
	for name, p := range map[string]process{
		"command of the host":         {parent: 99, name: "make (all) x", group: "0::/banger-agent.service\n"},
		"left by a command":           {parent: 1, name: "server", group: "0::/banger-agent.service\n"},
		"service":                     {parent: 1, name: "postgres", group: "0::/system.slice/postgresql.service\n"},
		"service with a clever name":  {parent: 1, name: "x", group: "0::/system.slice/mysystemd-x.service\n"},
		"ssh session":                 {parent: 102, name: "sshd", group: "0::/system.slice/ssh.service\n"},
		"login":                       {parent: 50, name: "bash", group: "0::/user.slice/user-0.slice/session-1.scope\n"},
		"service of a user":           {parent: 70, name: "node", group: "0::/user.slice/user-0.slice/user@0.service/app.slice/web.service\n"},
		"container":                   {parent: 60, name: "sleep", group: "0::/system.slice/docker-0123.scope\n"},
		"guest without systemd":       {parent: 1, name: "sleep", group: "0::/\n"},
		"guest without control group": {parent: 1, name: "sleep", group: ""},
	} {
		t.Run(name, func(t *testing.T) {
			p.pid = 200
			if count, err := Count(writeProc(t, p), 99); err != nil || count != 1 {
				t.Fatal(count, err)
			}
		})
	}
}

func TestThisProcessCountsAsAProgram(t *testing.T) {
	if isOne, err := isProgram("/proc/self"); err != nil || !isOne {
		t.Fatal(isOne, err)
	}
	if count, err := Count("/proc", 0); err != nil || count < 1 {
		t.Fatal(count, err)
	}
}

func TestBrokenStatIsAnError(t *testing.T) {
	proc := writeProc(t)
	if err := os.Mkdir(filepath.Join(proc, "7"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(proc, "7/stat"), []byte("7 (x) S"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Count(proc, 99); err == nil {
		t.Fatal("no error")
	}
}
