// Command firecracker is a stand-in for Firecracker, written from its published API: it serves that API on a
// socket, checks each field and the order of the requests, and plays a guest with a program of this machine.
//
// It reads two files beside itself. NAME.guest has the command line of its guest as JSON, in which SOCKET is
// the Unix socket where the guest's agent has to listen; without it, the port of the agent echoes.
// NAME.faults has requests, such as "PUT /vsock", that are refused.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

const version = "1.13.1"

func main() {
	flags := flag.NewFlagSet("firecracker", flag.ContinueOnError)
	showVersion := flags.Bool("version", false, "")
	id := flags.String("id", "anonymous-instance", "")
	socket := flags.String("api-sock", "/run/firecracker.socket", "")
	logPath := flags.String("log-path", "", "")
	level := flags.String("level", "Info", "")
	if err := flags.Parse(os.Args[1:]); err != nil || flags.NArg() > 0 {
		os.Exit(153)
	}
	if *showVersion {
		fmt.Printf("Firecracker v%s\n\nSupported snapshot data format versions: v7.0.0\n", version)
		return
	}
	if err := run(*id, *socket, *logPath, *level); err != nil {
		fmt.Fprintf(os.Stderr, "Error: %v\n", err)
		os.Exit(1)
	}
}

func run(id, socket, logPath, level string) error {
	if !slices.Contains([]string{"Error", "Warning", "Info", "Debug", "Trace", "Off"}, level) {
		return fmt.Errorf("invalid level %q", level)
	}
	for _, r := range id {
		if r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return fmt.Errorf("invalid instance ID %q", id)
		}
	}
	log, err := os.Stdout, error(nil)
	if logPath != "" {
		if log, err = os.OpenFile(logPath, os.O_RDWR|os.O_CREATE|syscall.O_NONBLOCK, 0o600); err != nil {
			return fmt.Errorf("log: %w", err)
		}
	}
	syscall.Umask(0o077)
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return fmt.Errorf("API socket: %w", err)
	}
	m := &machine{id: id, log: log, faults: readLines(os.Args[0] + ".faults")}
	return http.Serve(listener, m)
}

// machine is the VM. Its API is served by one request after another.
type machine struct {
	id     string
	log    *os.File
	faults []string

	mutex  sync.Mutex
	state  string
	config *machineConfig
	boot   *bootSource
	drives []drive
	vsock  *vsock
}

// ServeHTTP answers as Firecracker does: 200 with a body, 204, or 400 with a fault.
func (m *machine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	body, err := readBody(r)
	call := r.Method + " " + r.URL.Path
	fmt.Fprintf(m.log, "%s %s\n", call, body)
	var answer any
	if err == nil {
		if slices.Contains(m.faults, call) {
			err = fmt.Errorf("told to refuse %s", call)
		} else {
			answer, err = m.handle(r.Method, r.URL.Path, body)
		}
	}
	w.Header().Set("Server", "Firecracker API")
	w.Header().Set("Content-Type", "application/json")
	switch {
	case err != nil:
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"fault_message": err.Error()})
	case answer == nil:
		w.WriteHeader(http.StatusNoContent)
	default:
		_ = json.NewEncoder(w).Encode(answer)
	}
}

func (m *machine) handle(method, path string, body []byte) (any, error) {
	if method == http.MethodGet && path == "/" {
		state := m.state
		if state == "" {
			state = "Not started"
		}
		return map[string]string{"id": m.id, "state": state, "vmm_version": version, "app_name": "Firecracker"}, nil
	}
	kind, name, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if method == http.MethodPatch {
		if m.state == "" {
			return nil, fmt.Errorf("The requested operation is not supported before starting the microVM.")
		}
		switch kind {
		case "vm":
			return nil, m.setState(body)
		case "drives":
			return nil, m.replaceDrive(name, body)
		}
	}
	if method != http.MethodPut {
		return nil, fmt.Errorf("Invalid request method and/or path: %s %s.", method, path)
	}
	if m.state != "" {
		return nil, fmt.Errorf("The requested operation is not supported after starting the microVM.")
	}
	switch kind {
	case "machine-config":
		return nil, m.setConfig(body)
	case "boot-source":
		return nil, m.setBoot(body)
	case "drives":
		return nil, m.addDrive(name, body)
	case "entropy":
		return nil, decode(body, &struct{}{})
	case "vsock":
		return nil, m.setVsock(body)
	case "actions":
		return nil, m.act(body)
	}
	return nil, fmt.Errorf("Invalid request method and/or path: %s %s.", method, path)
}

func (m *machine) act(body []byte) error {
	var action struct {
		Type *string `json:"action_type"`
	}
	if err := decode(body, &action); err != nil {
		return err
	}
	if action.Type == nil || *action.Type != "InstanceStart" {
		return fmt.Errorf("unknown variant of `action_type`")
	}
	if m.boot == nil {
		return fmt.Errorf("Cannot start microvm without kernel configuration.")
	}
	head := make([]byte, 4)
	kernel, err := os.Open(*m.boot.Kernel)
	if err != nil {
		return err
	}
	defer kernel.Close()
	if _, err := kernel.Read(head); err != nil || string(head) != "\x7fELF" {
		return fmt.Errorf("Kernel Loader: failed to load ELF kernel image: Invalid Elf magic number")
	}
	fmt.Printf("Command line: %s\n", m.boot.Args)
	if slices.Contains(strings.Fields(m.boot.Args), "banger.mode=probe") {
		fmt.Println("BANGER-PROBE-OK")
		m.state = "Running"
		time.AfterFunc(50*time.Millisecond, func() { os.Exit(0) })
		return nil
	}
	m.state = "Running"
	return m.startGuest()
}

// startGuest starts the program that plays the guest. The VMM ends with it, as it does when a guest restarts.
func (m *machine) startGuest() error {
	if m.vsock == nil {
		return nil
	}
	text, err := os.ReadFile(os.Args[0] + ".guest")
	if err != nil {
		go m.serveVsock("")
		return nil
	}
	var argv []string
	if err := json.Unmarshal(text, &argv); err != nil {
		return err
	}
	// Not beside the real sockets, which are all that may be there.
	socket := fmt.Sprintf("%s.%d", os.Args[0], os.Getpid())
	for at := range argv {
		argv[at] = strings.ReplaceAll(argv[at], "SOCKET", socket)
	}
	guest := exec.Command(argv[0], argv[1:]...)
	guest.Stdout, guest.Stderr = os.Stdout, os.Stdout
	started := make(chan error)
	go func() {
		// The guest ends with the thread that has started it, which is to be that of this function.
		lockThread()
		guest.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		started <- guest.Start()
		_ = guest.Wait()
		os.Exit(0)
	}()
	if err := <-started; err != nil {
		return err
	}
	go m.serveVsock(socket)
	return nil
}
