package peers

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

const otherUser = 65534

// lookups are both ways to find a user; each must pass the same tests.
func lookups(t *testing.T) map[string]lookup {
	found := map[string]lookup{"tables": findInTables}
	if diag, err := openDiag(); err == nil {
		found["sock_diag"] = diag.find
	} else {
		t.Logf("this kernel has no sock_diag: %v", err)
	}
	return found
}

func listen(t *testing.T) *net.TCPListener {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener.(*net.TCPListener)
}

func ends(conn net.Conn) (local, remote netip.AddrPort) {
	return unmapped(conn.RemoteAddr()), unmapped(conn.LocalAddr())
}

func unmapped(address net.Addr) netip.AddrPort {
	found := address.(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(found.Addr().Unmap(), found.Port())
}

func TestThePeersUserIsFound(t *testing.T) {
	for name, find := range lookups(t) {
		for _, host := range []string{"127.0.0.1", "::ffff:127.0.0.1"} {
			listener := listen(t)
			conn, err := net.Dial("tcp", net.JoinHostPort(host, fmt.Sprint(listener.Addr().(*net.TCPAddr).Port)))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			accepted, err := listener.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer accepted.Close()
			if found, err := find(ends(accepted)); err != nil || found.uid != uint32(os.Getuid()) {
				t.Errorf("%s, %s: got %v, %v", name, host, found, err)
			}
		}
	}
}

func TestTheUserOfAnotherProgramIsFound(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can start a program as another user")
	}
	for name, find := range lookups(t) {
		listener := listen(t)
		port := listener.Addr().(*net.TCPAddr).Port
		client := exec.Command("bash", "-c", fmt.Sprintf("exec 3<>/dev/tcp/127.0.0.1/%d; read -r _ <&3", port))
		client.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: otherUser, Gid: otherUser}}
		if err := client.Start(); err != nil {
			t.Fatal(err)
		}
		accepted, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if found, err := find(ends(accepted)); err != nil || found.uid != otherUser {
			t.Errorf("%s: got %v, %v", name, found, err)
		}
		accepted.Close()
		_ = client.Wait()
	}
}

func TestAConnectionThatItsProgramHasClosedBelongsToNobody(t *testing.T) {
	for name, find := range lookups(t) {
		listener := listen(t)
		conn, err := net.Dial("tcp4", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		accepted, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer accepted.Close()
		conn.Close()
		for deadline := time.Now().Add(5 * time.Second); ; {
			found, err := find(ends(accepted))
			if err != nil {
				break
			}
			if time.Now().After(deadline) {
				t.Errorf("%s: got %v", name, found)
				break
			}
		}
	}
}

func TestAListenerAtThePeersAddressIsNotThePeer(t *testing.T) {
	for name, find := range lookups(t) {
		local := listen(t).Addr().(*net.TCPAddr).AddrPort()
		if found, err := find(local, netip.MustParseAddrPort("127.0.0.1:9")); err == nil {
			t.Errorf("%s: got %v", name, found)
		}
	}
}

func TestRunAnswersEachLine(t *testing.T) {
	listener := listen(t)
	conn, err := net.Dial("tcp4", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	accepted, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	local, remote := ends(accepted)
	var answers strings.Builder
	questions := fmt.Sprintf("%v %v 1\nnonsense\n[::1]:1 [::1]:2\n\n%v\n%v %v x\n", local, remote, local, local, remote)
	// This process has the connection, and does not count.
	questions += fmt.Sprintf("%v %v 1 %d\n", local, remote, os.Getpid())
	if err := Run(strings.NewReader(questions), &answers); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("%d\n-\n-\n-\n-\n-\n-\n", os.Getuid()); answers.String() != want {
		t.Errorf("got %q, want %q", answers.String(), want)
	}
}
