package main

import (
	"bufio"
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"banger.dev/root/internal/testnet"
	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
)

const asProgram = "BANGER_TEST_AS_PROGRAM"

// TestMain lets the program of these tests be bangerd-root.
func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		os.Exit(0)
	}
	testnet.Main(m)
}

// start runs the program as systemd does: the listening socket is descriptor 3.
func start(t *testing.T, socket *net.UnixListener, pidOffset string, uid string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command("sh", "-c", `LISTEN_PID=$(($$ + `+pidOffset+`)) exec "$@"`, "sh", program, "--owner", uid)
	command.Env = []string{"LISTEN_FDS=1", asProgram + "=1"}
	var output bytes.Buffer
	command.Stderr = &output
	if socket != nil {
		file, err := socket.File()
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		command.ExtraFiles = []*os.File{file}
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { command.Process.Kill() })
	return command, &output
}

func listen(t *testing.T, mode os.FileMode, uid int) *net.UnixListener {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to give a socket to another user")
	}
	path := filepath.Join(t.TempDir(), "s")
	socket, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, uid, 0); err != nil {
		t.Fatal(err)
	}
	return socket
}

func TestServesTheSocketThatSystemdPasses(t *testing.T) {
	socket := listen(t, 0o600, 4711)
	command, output := start(t, socket, "0", "4711")
	conn, err := net.Dial("unix", socket.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	conn.Write([]byte(`{"version":1,"operation":"status","operation_id":"a"}` + "\n"))
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || !strings.Contains(answer, `"ok":true`) || !strings.Contains(answer, `"owner":4711`) {
		t.Errorf("%q, %v: %s", answer, err, output)
	}
	command.Process.Signal(syscall.SIGTERM)
	if err := command.Wait(); err != nil {
		t.Errorf("it ends with %v: %s", err, output)
	}
	if !strings.Contains(output.String(), `"operation":"status","operation_id":"a","uid":0`) {
		t.Errorf("audit: %s", output)
	}
	// systemd keeps the socket for the next start.
	if _, err := os.Stat(socket.Addr().String()); err != nil {
		t.Error(err)
	}
}

func TestRefusesToServe(t *testing.T) {
	cases := map[string]struct {
		mode      os.FileMode
		uid       int
		pidOffset string
		owner     string
		shows     string
	}{
		"a socket that others can use":      {0o666, 4711, "0", "4711", "mode 0600"},
		"a socket of another user":          {0o600, 4712, "0", "4711", "mode 0600"},
		"a socket for another process":      {0o600, 4711, "1", "4711", "systemd passes no socket"},
		"root as the owner":                 {0o600, 0, "0", "0", "other than root"},
		"an owner that is no number":        {0o600, 0, "0", "me", "other than root"},
		"an owner beyond the last possible": {0o600, 0, "0", "4294967295", "other than root"},
	}
	for name, given := range cases {
		t.Run(name, func(t *testing.T) {
			command, output := start(t, listen(t, given.mode, given.uid), given.pidOffset, given.owner)
			if err := command.Wait(); err == nil || !strings.Contains(output.String(), given.shows) {
				t.Errorf("%v: %s", err, output)
			}
		})
	}
}

// ask sends a request, and returns the answer; none if the helper dies meanwhile.
func ask(socket *net.UnixListener, operation, params string) string {
	conn, err := net.Dial("unix", socket.Addr().String())
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	conn.Write([]byte(`{"version":1,"operation":"` + operation + `","params":` + params + "}\n"))
	answer, _ := bufio.NewReader(conn).ReadString('\n')
	return answer
}

// Whenever the helper is killed, the next one does what was asked, and can delete all of it.
func TestAKilledHelperLeavesNothingThatTheNextOneCannotFinish(t *testing.T) {
	testnet.Need(t)
	socket := listen(t, 0o600, 4711)
	steps := [][2]string{
		{"bridge.ensure", `{"bridge":"br-fc","address":"172.16.0.1","prefix":24}`},
		{"tap.create", `{"tap":"bgr-0","bridge":"br-fc"}`},
		{"tap.assign", `{"tap":"bgr-0","address":"172.16.0.2"}`},
		{"nat.on", `{"tap":"bgr-0","address":"172.16.0.2"}`},
		{"nat.off", `{"tap":"bgr-0"}`},
		{"tap.delete", `{"tap":"bgr-0"}`},
		{"bridge.delete", `{"bridge":"br-fc"}`},
	}
	half := 0
	for round := range 8 {
		command, _ := start(t, socket, "0", "4711")
		if answer := ask(socket, "status", "{}"); !strings.Contains(answer, `"ok":true`) {
			t.Fatal(answer)
		}
		go func() {
			time.Sleep(time.Duration(round*round) * 1500 * time.Microsecond)
			command.Process.Kill()
		}()
		dead := make(chan struct{})
		go func() {
			command.Wait()
			close(dead)
		}()
		pending := untilDead(socket, steps[:1+round%len(steps)], dead)
		<-dead
		next, output := start(t, socket, "0", "4711")
		// Either it was cut off, or it waited for this helper.
		if pending != nil && <-pending == "" {
			half++
		}
		for _, step := range steps {
			if answer := ask(socket, step[0], step[1]); answer != "{\"ok\":true}\n" && !strings.Contains(answer, `"mac"`) {
				t.Fatalf("round %d: %s: %s %s", round, step[0], answer, output)
			}
		}
		next.Process.Signal(syscall.SIGTERM)
		next.Wait()
		requireNothing(t, round)
	}
	if half == 0 {
		t.Error("no operation was cut off: the kills come too late")
	}
	t.Logf("%d operations were cut off", half)
}

// untilDead asks for the steps until the helper is dead. Returns the answer that was outstanding then.
func untilDead(socket *net.UnixListener, steps [][2]string, dead <-chan struct{}) <-chan string {
	for _, step := range steps {
		answer := make(chan string, 1)
		go func() { answer <- ask(socket, step[0], step[1]) }()
		select {
		case given := <-answer:
			if given == "" {
				answer <- given
				return answer
			}
		case <-dead:
			return answer
		}
	}
	return nil
}

func requireNothing(t *testing.T, round int) {
	t.Helper()
	links, err := netlink.LinkList()
	if err != nil || len(links) != 1 {
		t.Fatalf("round %d: links are left: %v, %v", round, links, err)
	}
	conn, err := nftables.New()
	if err != nil {
		t.Fatal(err)
	}
	tables, err := conn.ListTables()
	if err != nil || len(tables) != 0 {
		t.Fatalf("round %d: tables are left: %v, %v", round, tables, err)
	}
}
