package process

import (
	"bufio"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMain runs the program itself when a test starts it.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "net" {
		if err := Run(os.Args[2:]); err != nil {
			os.Stderr.WriteString(err.Error())
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

type started struct {
	t         *testing.T
	command   *exec.Cmd
	dir       string
	decisions string
}

// start starts a network with a policy and waits for its sockets.
func start(t *testing.T, policy string) *started {
	t.Helper()
	dir := t.TempDir()
	decisions := filepath.Join(dir, "decisions")
	if err := os.Mkdir(decisions, 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "policy.json")
	if err := os.WriteFile(file, []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(os.Args[0], "net", "--dir", dir, "--policy", file, "--decisions", decisions)
	command.Dir, command.Stderr = dir, os.Stderr
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	return &started{t, command, dir, decisions}
}

// ask returns the answer to one request.
func (s *started) ask(request string) map[string]any {
	s.t.Helper()
	var connection net.Conn
	var err error
	for ends := time.Now().Add(20 * time.Second); time.Now().Before(ends); time.Sleep(5 * time.Millisecond) {
		if connection, err = net.Dial("unix", filepath.Join(s.dir, ControlSocket)); err == nil {
			break
		}
	}
	if err != nil {
		s.t.Fatal(err)
	}
	defer connection.Close()
	if _, err := connection.Write([]byte(request + "\n")); err != nil {
		s.t.Fatal(err)
	}
	line, err := bufio.NewReader(connection).ReadString('\n')
	if err != nil {
		s.t.Fatal(err)
	}
	var answer map[string]any
	if err := json.Unmarshal([]byte(line), &answer); err != nil {
		s.t.Fatal(err)
	}
	return answer
}

func (s *started) expect(request, text string) {
	s.t.Helper()
	answer, err := json.Marshal(s.ask(request))
	if err != nil || !strings.Contains(string(answer), text) {
		s.t.Errorf("%s is answered %s, without %s", request, answer, text)
	}
}

func TestAPolicyIsInForceFromTheStartAndReplacedWhole(t *testing.T) {
	s := start(t, `{"mode":"enforce","rules":[{"rule":"good.test:443","from":"@npm"}]}`)
	s.expect(`{"do":"state"}`, `{"mode":"enforce","refused":0,"rules":[{"allowed":0,"rule":"@npm"}]}`)
	s.expect(`{"do":"check","check":{"target":"evil.test:443"}}`, `"allow":"evil.test:443","allowed":false`)
	s.expect(`{"do":"check","check":{"target":"good.test:443","addresses":["10.0.0.1"]}}`, `private`)
	s.expect(`{"do":"check","check":{"target":"*.test"}}`, "not one port of one host")
	s.expect(`{"do":"learned"}`, "does not learn")
	s.expect(`{"do":"settings","settings":{"exposedPorts":[],"policy":{"mode":"enforce","rules":[{"rule":"*"}]}}}`, "error")
	s.expect(`{"do":"settings","settings":{"exposedPorts":[80],"policy":{"mode":"everything"}}}`, "error")
	s.expect(`{"do":"settings","settings":{"exposedPorts":[]}}`, `"rule":"@npm"`)
	s.expect(`{"do":"settings","settings":{"exposedPorts":[],"policy":{"mode":"learn"}}}`, `"mode":"learn"`)
	s.expect(`{"do":"learned"}`, `"rules"`)
}

func TestANetworkWhosePolicyCannotBeReadDoesNotStart(t *testing.T) {
	for _, policy := range []string{``, `{"mode":"enforce","rules":[{"rule":"*"}]}`, `{"mode":"enforce","extra":1}`} {
		s := start(t, policy)
		s.command.Stderr = nil
		if err := s.command.Wait(); err == nil {
			t.Errorf("%q: it ended as if all was well", policy)
		}
		if _, err := os.Stat(filepath.Join(s.dir, "decisions", DecisionsLog)); err == nil && policy == "" {
			t.Errorf("%q: it began a log", policy)
		}
	}
}
