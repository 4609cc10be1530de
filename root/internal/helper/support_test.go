package helper_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"banger.dev/root/internal/helper"
	"banger.dev/root/internal/server"
	"banger.dev/root/internal/testnet"
	"github.com/google/nftables"
	"github.com/google/nftables/userdata"
	"github.com/vishvananda/netlink"
)

const owner = 4711

func TestMain(m *testing.M) { testnet.Main(m) }

type log struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (l *log) Write(data []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.Write(data)
}

func (l *log) lines() []map[string]any {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	var found []map[string]any
	for line := range strings.Lines(l.text.String()) {
		var entry map[string]any
		if json.Unmarshal([]byte(line), &entry) == nil {
			found = append(found, entry)
		}
	}
	return found
}

type response struct {
	OK     bool
	Result map[string]any
	Error  struct{ Code, Message string }
}

// host is a helper behind a real socket, in the network of the tests.
type host struct {
	t     *testing.T
	path  string
	audit *log
}

func startHost(t *testing.T) *host {
	testnet.Need(t)
	folder, err := os.MkdirTemp("", "r")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "s")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	made := &host{t, path, &log{}}
	running := &server.Server{Owner: owner, Doer: &helper.Helper{Owner: owner, Version: "test"}, Audit: server.NewAudit(made.audit), ReadDeadline: time.Second}
	done := make(chan error)
	go func() { done <- running.Serve(listener) }()
	t.Cleanup(func() {
		listener.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
		os.RemoveAll(folder)
		removeLinks(t)
		flush(t)
	})
	return made
}

// raw sends bytes as they are, and returns the answer; none if the helper hangs up without one.
func (h *host) raw(data []byte) response {
	h.t.Helper()
	conn, err := net.Dial("unix", h.path)
	if err != nil {
		h.t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	conn.Write(data)
	conn.(*net.UnixConn).CloseWrite()
	var made response
	json.NewDecoder(bufio.NewReader(conn)).Decode(&made)
	return made
}

func (h *host) call(operation, params string) response {
	h.t.Helper()
	return h.raw([]byte(`{"version":1,"operation":"` + operation + `","operation_id":"test","params":` + params + `}` + "\n"))
}

func (h *host) do(operation, params string) response {
	h.t.Helper()
	made := h.call(operation, params)
	if !made.OK {
		h.t.Fatalf("%s %s: %+v", operation, params, made.Error)
	}
	return made
}

func (h *host) refuses(code, operation, params string) {
	h.t.Helper()
	if made := h.call(operation, params); made.OK || made.Error.Code != code {
		h.t.Errorf("%s %s: %+v, not %s", operation, params, made, code)
	}
}

func removeLinks(t *testing.T) {
	links, err := netlink.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if link.Attrs().Name != "lo" {
			netlink.LinkDel(link)
		}
	}
}

func flush(t *testing.T) {
	conn, err := nftables.New()
	if err != nil {
		t.Fatal(err)
	}
	conn.FlushRuleset()
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
}

// links returns the names of all links but loopback, with their aliases and flags.
func links(t *testing.T) map[string]netlink.Link {
	t.Helper()
	listed, err := netlink.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]netlink.Link{}
	for _, link := range listed {
		if link.Attrs().Name != "lo" {
			found[link.Attrs().Name] = link
		}
	}
	return found
}

// rules returns the comments of all rules of this host, by table and chain.
func rules(t *testing.T) map[string][]string {
	t.Helper()
	conn, err := nftables.New()
	if err != nil {
		t.Fatal(err)
	}
	chains, err := conn.ListChains()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	for _, chain := range chains {
		listed, err := conn.GetRules(chain.Table, chain)
		if err != nil {
			t.Fatal(err)
		}
		for _, rule := range listed {
			comment, _ := userdata.GetString(rule.UserData, userdata.TypeComment)
			key := chain.Table.Name + " " + chain.Name
			found[key] = append(found[key], comment)
		}
	}
	return found
}
