package confine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The test program is also the confined program: with these variables it confines itself, or tries what a
// wall forbids.
const (
	confineArgs = "TEST_CONFINE_ARGS"
	tryTask     = "TEST_TRY"
)

func TestMain(m *testing.M) {
	// Started instead of the log keeper, it writes which descriptors the keeper has.
	if len(os.Args) > 5 && os.Args[1] == "keep-logs" {
		if err := os.WriteFile(os.Args[5], []byte(descriptors()), 0o600); err != nil {
			fmt.Println(err)
		}
		os.Exit(0)
	}
	if encoded := os.Getenv(confineArgs); encoded != "" {
		os.Unsetenv(confineArgs)
		var args []string
		err := json.Unmarshal([]byte(encoded), &args)
		if err == nil {
			var plan *Plan
			if plan, err = Parse(args); err == nil {
				err = plan.Run()
			}
		}
		fmt.Println(err)
		os.Exit(3)
	}
	if task := os.Getenv(tryTask); task != "" {
		fmt.Print(try(strings.Split(task, " ")))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// try performs one task and returns its outcome.
func try(task []string) string {
	var err error
	switch task[0] {
	case "read":
		_, err = os.ReadFile(task[1])
	case "list":
		_, err = os.ReadDir(task[1])
	case "write":
		err = os.WriteFile(task[1], []byte("x"), 0o600)
	case "open-to-write":
		var file *os.File
		if file, err = os.OpenFile(task[1], os.O_RDWR, 0); err == nil {
			file.Close()
		}
	case "truncate":
		err = os.Truncate(task[1], 0)
	case "remove":
		err = os.Remove(task[1])
	case "mkdir":
		err = os.Mkdir(task[1], 0o700)
	case "link":
		err = os.Symlink("/etc/passwd", task[1])
	case "rename":
		err = os.Rename(task[1], task[2])
	case "hard-link":
		err = os.Link(task[1], task[2])
	case "exec":
		err = exec.Command(task[1]).Run()
	case "connect":
		var connection net.Conn
		if connection, err = net.Dial("unix", task[1]); err == nil {
			connection.Close()
		}
	case "listen":
		var listener net.Listener
		if listener, err = net.Listen("unix", task[1]); err == nil {
			listener.Close()
		}
	case "socket-datagram":
		_, err = unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	case "socket-stream":
		_, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	case "datagram-pair":
		_, err = unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	case "stream-pair":
		_, err = unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	case "socket-inet":
		_, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	case "socket-packet":
		_, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	case "io-uring":
		if _, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, 0, 0); errno != 0 {
			err = errno
		}
	case "signal-parent":
		err = syscall.Kill(os.Getppid(), 0)
	case "no-new-privileges":
		var value int
		if value, err = unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); value != 1 {
			err = fmt.Errorf("is %d: %w", value, err)
		}
	case "descriptors":
		return descriptors()
	case "identity":
		session, _ := unix.Getsid(0)
		return fmt.Sprintf("%d %d", os.Getpid(), session)
	}
	switch {
	case err == nil:
		return "done"
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM), errors.Is(err, unix.EXDEV):
		return "denied"
	case errors.Is(err, unix.ENOSYS):
		return "unknown"
	}
	return err.Error()
}

// descriptors lists the open descriptors, except those of the Go runtime.
func descriptors() string {
	var open []string
	for number := range 32 {
		target, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", number))
		if err == nil && !strings.HasPrefix(target, "anon_inode:") && !strings.HasPrefix(target, "/sys/fs/cgroup/") {
			open = append(open, fmt.Sprint(number))
		}
	}
	return strings.Join(open, " ")
}

func requireWalls(t *testing.T, abi int) {
	t.Helper()
	if offered := Offered(); offered.LandlockABI < abi || !offered.Seccomp {
		t.Skipf("this kernel offers %+v, and Landlock %d is needed", offered, abi)
	}
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// start confines this program with options, and makes it perform task.
func start(t *testing.T, options []string, task string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	// The test program may be linked dynamically.
	for _, library := range []string{"/lib", "/lib64", "/usr/lib", "/etc/ld.so.cache"} {
		options = append(options, "--read", library)
	}
	encoded, err := json.Marshal(append(options, "--", self(t)))
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(self(t))
	command.Env = append(os.Environ(), confineArgs+"="+string(encoded), tryTask+"="+task)
	output := &bytes.Buffer{}
	command.Stdout, command.Stderr = output, output
	return command, output
}

func run(t *testing.T, options []string, task string) string {
	t.Helper()
	command, output := start(t, options, task)
	if err := command.Run(); err != nil {
		t.Fatalf("%s: %v: %s", task, err, output)
	}
	return output.String()
}

type place struct{ own, image, home, socket string }

// newPlace creates a folder of the confined program, a file that it may read, and files that it may not use.
func newPlace(t *testing.T) place {
	t.Helper()
	dir := t.TempDir()
	p := place{
		own:    filepath.Join(dir, "own"),
		image:  filepath.Join(dir, "image"),
		home:   filepath.Join(dir, "home"),
		socket: filepath.Join(dir, "s"),
	}
	for _, folder := range []string{p.own, p.home} {
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{p.image, filepath.Join(p.home, "key"), filepath.Join(p.own, "drive")} {
		if err := os.WriteFile(file, []byte("content"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	listener, err := net.Listen("unix", p.socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return p
}

func TestAConfinedProgramReachesOnlyWhatItMay(t *testing.T) {
	requireWalls(t, 6)
	p := newPlace(t)
	options := []string{"--read", p.image, "--write", p.own, "--socket", "inet"}
	for _, c := range []struct{ task, outcome string }{
		{"read " + p.image, "done"},
		{"open-to-write " + p.image, "denied"},
		{"truncate " + p.image, "denied"},
		{"read " + p.home + "/key", "denied"},
		{"list " + p.home, "denied"},
		{"write " + p.home + "/new", "denied"},
		{"remove " + p.home + "/key", "denied"},
		{"hard-link " + p.home + "/key " + p.own + "/key", "denied"},
		{"read /etc/passwd", "denied"},
		{"read " + p.own + "/drive", "done"},
		{"open-to-write " + p.own + "/drive", "done"},
		{"write " + p.own + "/log", "done"},
		{"remove " + p.own + "/log", "done"},
		{"mkdir " + p.own + "/folder", "denied"},
		{"link " + p.own + "/link", "denied"},
		{"exec /bin/true", "denied"},
		{"connect " + p.socket, "denied"},
		{"datagram-pair", "denied"},
		{"stream-pair", "done"},
		{"socket-inet", "done"},
		{"socket-packet", "denied"},
		{"io-uring", "unknown"},
		{"signal-parent", "denied"},
		{"no-new-privileges", "done"},
	} {
		if outcome := run(t, options, c.task); outcome != c.outcome {
			t.Errorf("%s: %s, want %s", c.task, outcome, c.outcome)
		}
	}
}

func TestTheSameTasksSucceedWithoutAWall(t *testing.T) {
	p := newPlace(t)
	for _, task := range []string{"read " + p.home + "/key", "exec /bin/true", "connect " + p.socket, "write " + p.home + "/new"} {
		if outcome := try(strings.Split(task, " ")); outcome != "done" {
			t.Errorf("%s: %s", task, outcome)
		}
	}
}

func TestAProgramMayDoEverythingInItsTree(t *testing.T) {
	requireWalls(t, 2)
	p := newPlace(t)
	options := []string{"--tree", p.own}
	if err := os.Mkdir(p.own+"/other", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, task := range []string{
		"mkdir " + p.own + "/folder",
		"link " + p.own + "/link",
		"write " + p.own + "/file",
		"rename " + p.own + "/file " + p.own + "/other/file",
	} {
		if outcome := run(t, options, task); outcome != "done" {
			t.Errorf("%s: %s", task, outcome)
		}
	}
	if outcome := run(t, options, "read "+p.home+"/key"); outcome != "denied" {
		t.Errorf("the home: %s", outcome)
	}
}

func TestARootOfAnotherSystemIsWritableExceptForItsKernelFiles(t *testing.T) {
	requireWalls(t, 3)
	p := newPlace(t)
	for _, folder := range []string{"etc", "proc", "sys"} {
		if err := os.Mkdir(filepath.Join(p.own, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(p.own+"/proc/core_pattern", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(p.home, p.own+"/elsewhere"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ task, outcome string }{
		{"write " + p.own + "/etc/passwd", "done"},
		{"mkdir " + p.own + "/srv", "done"},
		{"link " + p.own + "/bin", "done"},
		{"read " + p.own + "/proc/core_pattern", "done"},
		{"open-to-write " + p.own + "/proc/core_pattern", "denied"},
		{"read " + p.own + "/elsewhere/key", "denied"},
		{"write " + p.own + "/elsewhere/new", "denied"},
	} {
		if outcome := run(t, []string{"--chroot", p.own}, c.task); outcome != c.outcome {
			t.Errorf("%s: %s, want %s", c.task, outcome, c.outcome)
		}
	}
}

func TestTheProgramIsTheSameProcessAndHasOnlyItsOwnDescriptors(t *testing.T) {
	p := newPlace(t)
	spare, err := os.Open(p.image)
	if err != nil {
		t.Fatal(err)
	}
	defer spare.Close()
	options := []string{"--listen", p.own + "/a", "--listen", p.own + "/b", "--read", "/proc"}
	command, output := start(t, options, "descriptors")
	command.ExtraFiles = []*os.File{spare, spare, spare, spare, spare}
	if err := command.Run(); err != nil || output.String() != "0 1 2 3 4" {
		t.Errorf("%v: %q", err, output)
	}
	command, output = start(t, []string{"--descriptors", "all", "--read", "/proc"}, "descriptors")
	command.ExtraFiles = []*os.File{spare, spare}
	if err := command.Run(); err != nil || !strings.HasPrefix(output.String(), "0 1 2 3 4") {
		t.Errorf("%v: %q", err, output)
	}
	command, output = start(t, nil, "identity")
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := command.Run(); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("%d %[1]d", command.Process.Pid); output.String() != want {
		t.Errorf("%q, want %q", output, want)
	}
}

func TestAProgramListensOnTheSocketsThatItIsGiven(t *testing.T) {
	p := newPlace(t)
	path := filepath.Join(p.own, "a")
	sockets, err := (&Plan{Listen: []string{path}}).makeSockets()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(sockets[0])
	connection, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	connection.Close()
}

func TestInvalidArgumentsAreRefused(t *testing.T) {
	for _, args := range [][]string{
		{},
		{"--"},
		{"--read"},
		{"--read", "relative", "--", "/bin/true"},
		{"--what", "/x", "--", "/bin/true"},
		{"--socket", "pigeon", "--", "/bin/true"},
		{"--", "true"},
		{"--console", "/x", "--", "/bin/true"},
		{"--descriptors", "all", "--listen", "/s", "--", "/bin/true"},
		{"--console", "/x", "--log", "/y", "--max-log", "-1", "--", "/bin/true"},
	} {
		if plan, err := Parse(args); err == nil {
			t.Errorf("%q was parsed as %+v", args, plan)
		}
	}
}

func TestAMissingProgramIsReported(t *testing.T) {
	command, output := start(t, nil, "identity")
	encoded, _ := json.Marshal([]string{"--", "/no/such/program"})
	command.Env = append(os.Environ(), confineArgs+"="+string(encoded))
	if err := command.Run(); err == nil || !strings.Contains(output.String(), `cannot run "/no/such/program"`) {
		t.Errorf("%v: %s", err, output)
	}
}
