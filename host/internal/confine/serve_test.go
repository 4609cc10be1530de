package confine

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAServerListensInItsFolderAndConnectsToNothing(t *testing.T) {
	requireWalls(t, 6)
	p := newPlace(t)
	served := filepath.Join(filepath.Dir(p.own), "served")
	if err := os.Mkdir(served, 0o700); err != nil {
		t.Fatal(err)
	}
	options := []string{"--write", p.own, "--serve", served}
	for _, c := range []struct{ task, outcome string }{
		{"socket-stream", "done"},
		{"listen " + served + "/api", "done"},
		{"listen " + p.own + "/api", "denied"},
		{"listen " + p.home + "/api", "denied"},
		{"write " + served + "/file", "done"},
		{"mkdir " + served + "/folder", "denied"},
		{"connect " + p.socket, "denied"},
		{"socket-datagram", "denied"},
		{"datagram-pair", "denied"},
		{"socket-inet", "denied"},
		{"socket-packet", "denied"},
	} {
		if outcome := run(t, options, c.task); outcome != c.outcome {
			t.Errorf("%s: %s, want %s", c.task, outcome, c.outcome)
		}
	}
	for _, task := range []string{"socket-stream", "listen " + p.own + "/api"} {
		if outcome := run(t, []string{"--write", p.own}, task); outcome != "denied" {
			t.Errorf("%s without --serve: %s", task, outcome)
		}
	}
}
