package process

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"banger.dev/host/internal/confine"
	"banger.dev/host/internal/net/policy/decisions"
)

// A process that has a wall keeps it, so another one does the work.
const walledFolder = "BANGER_TEST_WALLED"

func TestTheLogIsWrittenAndReplacedBehindTheWall(t *testing.T) {
	if folder := os.Getenv(walledFolder); folder != "" {
		writeBehindWall(t, folder)
		return
	}
	folder := t.TempDir()
	command := exec.Command(os.Args[0], "-test.run=^TestTheLogIsWrittenAndReplacedBehindTheWall$")
	command.Env = append(os.Environ(), walledFolder+"="+folder)
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	for name, last := range map[string]string{DecisionsLog: "20.test", DecisionsLog + ".1": ""} {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil || len(text) == 0 || !strings.Contains(string(text), last) {
			t.Errorf("%s has %q, %v", name, text, err)
		}
	}
}

func writeBehindWall(t *testing.T, folder string) {
	log, err := decisions.Open(filepath.Join(folder, DecisionsLog), 1000, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := confine.Self(nil, []string{folder}, []string{"inet"}); err != nil {
		t.Fatal(err)
	}
	for each := range 21 {
		if err := log.Record(decisions.Entry{Kind: "dns", Name: fmt.Sprintf("%d.test", each), Verdict: decisions.Refused}); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
}
