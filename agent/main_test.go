package main

import (
	"bytes"
	"log"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
)

func TestRunRefusesUnknownArguments(t *testing.T) {
	for _, args := range [][]string{
		nil, {"sevre"}, {"serve", "more"}, {"serve", "-init", "upstart"}, {"serve", "-port", "1"},
	} {
		if err := run(args); err == nil || !strings.Contains(err.Error(), "usage: banger-agent") {
			t.Errorf("run(%q) = %v, want the usage", args, err)
		}
	}
}

func TestRunIsNoInitBesideAnother(t *testing.T) {
	if err := run([]string{"init"}); err == nil || err.Error() != "init must be process 1" {
		t.Fatalf("got %v", err)
	}
}

func TestServeOnASocketFailsWhenItsFolderIsMissing(t *testing.T) {
	if err := run([]string{"serve", "-socket", filepath.Join(t.TempDir(), "no", "socket")}); err == nil {
		t.Fatal("want an error")
	}
}

func TestKeepCrashesLogsTheLastOneOnce(t *testing.T) {
	defer debug.SetCrashOutput(nil, debug.CrashOptions{})
	path := filepath.Join(t.TempDir(), "crash")
	if err := os.WriteFile(path, []byte("panic: old\ngoroutine 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"the agent before this one crashed:\npanic: old\ngoroutine 1\n", ""} {
		var out bytes.Buffer
		if err := keepCrashes(path, log.New(&out, "", 0)); err != nil {
			t.Fatal(err)
		}
		if out.String() != want {
			t.Errorf("logged %q, want %q", out.String(), want)
		}
	}
}
