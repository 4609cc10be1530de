// Package process is the program "net": the network of one guest.
package process

import (
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"banger.dev/host/internal/confine"
	"banger.dev/host/internal/net/control"
	"banger.dev/host/internal/net/gate"
	"banger.dev/host/internal/net/outside"
	"banger.dev/host/internal/net/policy"
	"banger.dev/host/internal/net/secrets"
)

// Names of the sockets in the working folder. The VMM connects to the first, the daemon to the second.
const (
	LinkSocket    = "net.sock"
	ControlSocket = "net-control.sock"
)

// unlinkedFor is how long the program waits for a VMM: one that has ended does not come back, and the daemon
// that would end this program may be gone too.
const unlinkedFor = 60 * time.Second

// memoryLimit is where the garbage collector works harder, in bytes; buffers of connections may need more.
const memoryLimit = 24 << 20

// nameserverFiles are those that name this host's nameservers. When a host moves to another network, it
// replaces the file in /etc, and only a rule for the folder makes the new one readable; but root could read
// too much there.
func nameserverFiles() []string {
	own := "/etc"
	if os.Getuid() == 0 {
		own = "/etc/resolv.conf"
	}
	return []string{own, "/run/systemd/resolve", "/run/NetworkManager", "/run/resolvconf", "/mnt/wsl"}
}

type ports []uint16

func (p *ports) String() string { return fmt.Sprint(*p) }

func (p *ports) Set(text string) error {
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || port == 0 {
		return fmt.Errorf("%q is not a port", text)
	}
	*p = append(*p, uint16(port))
	return nil
}

// Run is the network of the guest whose runtime folder is the working folder. It ends when it is asked to, on
// SIGTERM, or when it has had no VMM for a minute.
func Run(args []string) error {
	options := flag.NewFlagSet("net", flag.ContinueOnError)
	options.SetOutput(io.Discard)
	dir := options.String("dir", "", "the VM's runtime folder, by which the process is found")
	check := options.Bool("check", false, "only report whether it can run here")
	policyFile := options.String("policy", "", "file with the policy")
	decisions := options.String("decisions", "", "folder of the log of decisions")
	hasSecrets := options.Bool("secrets", false, "the daemon will send secrets for requests of the guest")
	var exposed ports
	options.Var(&exposed, "expose", "a port of this host's loopback for the guest")
	if err := options.Parse(args); err != nil {
		return fmt.Errorf("net: %w", err)
	}
	if *check {
		_, err := outside.New(gate.Open{}, nil)
		return err
	}
	if *dir == "" || options.NArg() > 0 {
		return errors.New("net: the arguments must be --check, or --dir FOLDER [--policy FILE --decisions FOLDER] [--secrets] [--expose PORT]...")
	}
	if (*policyFile == "") != (*decisions == "") {
		return errors.New("net: a policy needs a log of its decisions")
	}
	debug.SetGCPercent(50)
	debug.SetMemoryLimit(memoryLimit)
	syscall.Umask(0o077)
	link, err := listen(LinkSocket)
	if err != nil {
		return err
	}
	defer link.Close()
	asked, err := listen(ControlSocket)
	if err != nil {
		return err
	}
	defer asked.Close()
	decides, policed, err := openGate(*policyFile, *decisions)
	if err != nil {
		return fmt.Errorf("net: %w", err)
	}
	defer decides.Close()
	var writable []string
	if policed != nil {
		writable = []string{*decisions}
	}
	var inserts *secrets.Proxy
	if *hasSecrets {
		roots, err := trusted()
		if err != nil {
			return fmt.Errorf("net: %w", err)
		}
		inserts = secrets.New(roots, secretLog{policed})
	}
	if err := confine.Self(nameserverFiles(), writable, []string{"inet"}); err != nil {
		return fmt.Errorf("net: cannot set up the wall around it: %w", err)
	}
	network, err := outside.New(decides, func(format string, values ...any) {
		fmt.Fprintf(os.Stderr, format+"\n", values...)
	})
	if err != nil {
		return fmt.Errorf("net: %w", err)
	}
	defer network.Close()
	network.Secrets = inserts
	network.Expose(exposed)
	running := &process{network: network, gate: policed, ended: make(chan struct{})}
	running.exposed.Store(&exposed)
	go running.serveLink(link)
	go func() {
		if err := control.Serve(asked, running); err != nil {
			fmt.Fprintf(os.Stderr, "net: the control socket failed: %v\n", err)
			running.End()
		}
	}()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	select {
	case <-signals:
	case <-running.ended:
	}
	return nil
}

// trusted returns the authorities of this host's trust store, while it can be read. Core dumps, which would
// have the values of secrets in them, are off.
func trusted() (*x509.CertPool, error) {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return nil, fmt.Errorf("cannot turn core dumps off: %w", err)
	}
	return x509.SystemCertPool()
}

// DecisionsLog is the name of the log in the folder of decisions.
const DecisionsLog = "decisions.jsonl"

// openGate returns the gate of the policy in a file. Without a file the guest may reach everything outside.
func openGate(file, folder string) (gate.Gate, *policy.Gate, error) {
	if file == "" {
		return gate.Open{}, nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, err
	}
	config, err := policy.Decode(text)
	if err != nil {
		return nil, nil, err
	}
	opened, err := policy.Open(config, filepath.Join(folder, DecisionsLog))
	if err != nil {
		return nil, nil, err
	}
	return opened, opened, nil
}

// listen makes a socket in the working folder, whose path may be too long for a socket.
func listen(name string) (*net.UnixListener, error) {
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("net: cannot replace the socket %q: %w", name, err)
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("net: cannot listen on %q: %w", name, err)
	}
	// The daemon removes the sockets: behind its wall, this program cannot.
	listener.SetUnlinkOnClose(false)
	return listener, nil
}
