package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// me returns the user who runs the tests: any agent may start a command as its own user.
func me() string { return strconv.Itoa(os.Getuid()) }

func start(t *testing.T, spec Spec) *Process {
	t.Helper()
	spec.User = orDefault(spec.User, me())
	p, err := Start(spec)
	if err != nil {
		t.Fatalf("cannot start %q: %v", spec.Argv, err)
	}
	t.Cleanup(func() {
		p.End(0)
		p.Stdin.Close()
		p.Stdout.Close()
	})
	return p
}

func output(t *testing.T, spec Spec) string {
	t.Helper()
	p := start(t, spec)
	if p.Stdin != p.Stdout {
		p.Stdin.Close()
	}
	content, err := io.ReadAll(p.Stdout)
	if err != nil && !errors.Is(err, unix.EIO) {
		t.Fatal(err)
	}
	if status, err := p.Wait(); err != nil || status != (Status{}) {
		t.Fatalf("%q: status %+v, error %v", spec.Argv, status, err)
	}
	return string(content)
}

func TestStartPassesArgumentsAndEnvironmentAsBytes(t *testing.T) {
	got := output(t, Spec{
		Argv: []string{"sh", "-c", `printf '%s|%s|%s' "$1" "$V" "$PWD"`, "sh", "\xff \n"},
		Env:  map[string]string{"V": "a=b\xfe"},
		Cwd:  "/usr",
	})
	if want := "\xff \n|a=b\xfe|/usr"; got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
}

func TestStartAcceptsALongCommandLine(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	got := output(t, Spec{Argv: []string{"sh", "-c", `echo $#`, "sh", long, long, long, long}})
	if got != "4\n" {
		t.Fatalf("got %q", got)
	}
}

func TestWaitReturnsCodeAndSignal(t *testing.T) {
	for script, want := range map[string]Status{
		"exit 7":        {Code: 7},
		"kill -KILL $$": {Signal: syscall.SIGKILL},
		"kill -34 $$":   {Signal: 34},
	} {
		status, err := start(t, Spec{Argv: []string{"sh", "-c", script}}).Wait()
		if err != nil || status != want {
			t.Errorf("%s: got %+v, error %v", script, status, err)
		}
	}
}

func TestStartRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	plain := write("plain", "text", 0o644)
	garbage := write("garbage", "\x00\x01", 0o755)
	orphan := write("orphan", "#!/no/such/interpreter\n", 0o755)
	for name, test := range map[string]struct {
		spec Spec
		code string
	}{
		"no argv":           {Spec{}, BadRequest},
		"empty command":     {Spec{Argv: []string{""}}, BadRequest},
		"NUL":               {Spec{Argv: []string{"sh", "a\x00b"}}, BadRequest},
		"bad variable":      {Spec{Argv: []string{"sh"}, Env: map[string]string{"A=B": "c"}}, BadRequest},
		"relative cwd":      {Spec{Argv: []string{"sh"}, Cwd: "usr"}, BadRequest},
		"missing cwd":       {Spec{Argv: []string{"sh"}, Cwd: dir + "/none"}, BadRequest},
		"cwd is a file":     {Spec{Argv: []string{"sh"}, Cwd: plain}, BadRequest},
		"unknown user":      {Spec{Argv: []string{"sh"}, User: "nobody-at-all"}, BadRequest},
		"unknown command":   {Spec{Argv: []string{"no-such-command"}}, NotFound},
		"missing path":      {Spec{Argv: []string{dir + "/none"}}, NotFound},
		"through a file":    {Spec{Argv: []string{plain + "/x"}}, NotFound},
		"not executable":    {Spec{Argv: []string{plain}}, NotExecutable},
		"in PATH but plain": {Spec{Argv: []string{"plain"}, Env: map[string]string{"PATH": dir}}, NotExecutable},
		"directory":         {Spec{Argv: []string{dir}}, NotExecutable},
		"unknown format":    {Spec{Argv: []string{garbage}}, NotExecutable},
		"no interpreter":    {Spec{Argv: []string{orphan}}, NotExecutable},
		"too long":          {Spec{Argv: []string{"sh", strings.Repeat("x", 200_000)}}, BadRequest},
	} {
		test.spec.User = orDefault(test.spec.User, me())
		p, err := Start(test.spec)
		refusal := new(StartError)
		if !errors.As(err, &refusal) || refusal.Code != test.code || refusal.Message == "" {
			t.Errorf("%s: got %v, error %v, want code %s", name, p, err, test.code)
		}
	}
}

func TestARelativeCommandIsLookedUpFromTheWorkingDirectory(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "tool"), []byte("#!/bin/sh\necho found\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, spec := range []Spec{
		{Argv: []string{"./tool"}, Cwd: dir},
		{Argv: []string{"tool"}, Cwd: dir, Env: map[string]string{"PATH": "/none::."}},
	} {
		if got := output(t, spec); got != "found\n" {
			t.Errorf("%q: got %q", spec.Argv, got)
		}
	}
}

func TestStartLeavesNoDescriptorsBehindAndPassesNoneOn(t *testing.T) {
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	output(t, Spec{Argv: []string{"true"}})
	before := count()
	for range 10 {
		if _, err := Start(Spec{Argv: []string{"/no/such"}, User: me()}); err == nil {
			t.Fatal("started")
		}
		if _, err := Start(Spec{Argv: []string{"/no/such"}, User: me(), Terminal: &Terminal{Rows: 1, Cols: 1}}); err == nil {
			t.Fatal("started")
		}
	}
	if after := count(); after > before {
		t.Errorf("%d descriptors became %d", before, after)
	}
	// Three streams, the directory that is listed, and the descriptors that this program was started with.
	want := 4
	for fd := 3; fd < 1024; fd++ {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			want++
		}
	}
	if got := strings.Fields(output(t, Spec{Argv: []string{"ls", "/proc/self/fd"}})); len(got) != want {
		t.Errorf("the command has descriptors %q, want %d", got, want)
	}
}

func TestATerminalHasASizeAndIsTheControllingTerminal(t *testing.T) {
	p := start(t, Spec{
		Argv:     []string{"sh", "-c", `stty size; tty; echo "$TERM"; read x < /dev/tty; stty size`},
		Terminal: &Terminal{Rows: 7, Cols: 33, Term: "screen"},
	})
	reader := make([]byte, 1024)
	got := ""
	for !strings.Contains(got, "screen\r\n") {
		n, err := p.Stdout.Read(reader)
		if err != nil {
			t.Fatalf("after %q: %v", got, err)
		}
		got += string(reader[:n])
	}
	if !strings.HasPrefix(got, "7 33\r\n/dev/pts/") {
		t.Fatalf("got %q", got)
	}
	if err := p.Resize(8, 44); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Stdin.WriteString("go\n"); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(p.Stdout)
	if !strings.Contains(string(rest), "8 44\r\n") {
		t.Fatalf("got %q", rest)
	}
	if status, err := p.Wait(); err != nil || status != (Status{}) {
		t.Fatalf("status %+v, error %v", status, err)
	}
}

func TestEndEndsTheWholeSession(t *testing.T) {
	for name, script := range map[string]string{
		"same group":    `sleep 1000 & sleep 1000 & echo $! ; wait`,
		"other group":   `set -m; sleep 1000 & echo $! ; wait`,
		"ignores it":    `trap '' HUP TERM; sh -c 'echo $$; while :; do sleep 0.05; done' & wait; wait`,
		"stopped":       `sleep 1000 & kill -STOP $! ; echo $! ; wait`,
		"leader left":   `(trap '' HUP; sleep 1000 > /dev/null & echo $!) ; kill -KILL $$`,
		"forks onwards": `f() { echo $$; while :; do (sleep 0.01; sleep 1000) & sleep 0.02; done; }; f`,
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, Spec{Argv: []string{"sh", "-c", script}})
			line := make([]byte, 32)
			n, err := p.Stdout.Read(line)
			if err != nil {
				t.Fatal(err)
			}
			pid, err := strconv.Atoi(strings.Fields(string(line[:n]))[0])
			if err != nil {
				t.Fatal(err)
			}
			waited := make(chan error, 1)
			go func() {
				_, err := p.Wait()
				waited <- err
			}()
			if name == "leader left" {
				if err := <-waited; err != nil {
					t.Fatal(err)
				}
				waited <- nil
			}
			p.End(300 * time.Millisecond)
			select {
			case err := <-waited:
				if err != nil {
					t.Fatal(err)
				}
			case <-time.After(5 * time.Second):
				t.Fatal("the command was not waited for")
			}
			if left := p.session(); len(left) > 0 {
				t.Fatalf("left behind: %v", left)
			}
			if found, ok := readStat(pid); ok && found.state != 'Z' {
				t.Fatalf("process %d is in state %c", pid, found.state)
			}
		})
	}
}

func TestSignalAfterTheEndDoesNothing(t *testing.T) {
	p := start(t, Spec{Argv: []string{"true"}})
	if _, err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	if sent, err := p.signalGroup(syscall.SIGKILL); sent || err != nil {
		t.Fatalf("sent %v, error %v", sent, err)
	}
}

func TestStartRunsAsAnotherUserWithItsGroups(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can run commands as somebody else")
	}
	got := output(t, Spec{Argv: []string{"sh", "-c", "id -u; id -G; pwd; cat /proc/self/status | grep Groups"}, User: "4242"})
	if want := "4242\n4242\n/\nGroups:\t4242 \n"; got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
	tty := output(t, Spec{Argv: []string{"sh", "-c", `stat -c '%u %g %a' "$(tty)"; echo x > /dev/tty`}, User: "4242", Terminal: &Terminal{}})
	if want := fmt.Sprintf("4242 %d 620\r\nx\r\n", ttyGroup); tty != want {
		t.Fatalf("got %q, want %q", tty, want)
	}
}

func TestAnAgentThatIsNotRootRefusesOtherUsers(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may be anybody")
	}
	refusal := new(StartError)
	if _, err := Start(Spec{Argv: []string{"true"}}); !errors.As(err, &refusal) || refusal.Code != Failed {
		t.Fatalf("got %v", err)
	}
}

func TestParseSignalKnowsNamesWithAndWithoutSIG(t *testing.T) {
	for _, name := range []string{"SIGINT", "int", "INT"} {
		if got, err := ParseSignal(name); err != nil || got != syscall.SIGINT {
			t.Errorf("%s: got %v, error %v", name, got, err)
		}
	}
	for _, name := range []string{"", "SIG", "2", "SIGNOTHING"} {
		if got, err := ParseSignal(name); err == nil {
			t.Errorf("%q: got %v", name, got)
		}
	}
	if got := SignalName(40); got != "SIG40" {
		t.Errorf("got %q", got)
	}
}

func FuzzParseStatNeverPanics(f *testing.F) {
	f.Add([]byte("1 (a) b) S 0 1 7 0"))
	f.Add([]byte("1 (x"))
	f.Fuzz(func(t *testing.T, content []byte) { parseStat(content) })
}

func TestParseStatLooksBehindTheName(t *testing.T) {
	got, ok := parseStat([]byte("42 (a) R 9 9 9) Z 1 42 7 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 987654 11\n"))
	if want := (stat{'Z', 1, 7, 987654}); !ok || got != want {
		t.Fatalf("got %v %v, want %v", got, ok, want)
	}
}
