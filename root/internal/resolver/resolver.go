// Package resolver tells systemd-resolved who knows the names of VMs. It runs systemd's own program with
// fixed words, an empty environment and no shell.
package resolver

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"banger.dev/root/internal/refusal"
)

const (
	program   = "/usr/bin/resolvectl"
	maxOutput = 2000
)

// Set makes resolved ask `server` for names under "vm", and for no other. Each step may be repeated.
func Set(ctx context.Context, bridge string, server netip.AddrPort) error {
	for _, words := range settings(bridge, server) {
		if err := run(ctx, words...); err != nil {
			return err
		}
	}
	return nil
}

// settings has the server last: resolved would ask one that is there first for all names, until the rest is
// set, and for ever where the deadline comes between.
func settings(bridge string, server netip.AddrPort) [][]string {
	return [][]string{
		{"default-route", bridge, "no"},
		{"domain", bridge, "~vm"},
		{"dns", bridge, server.String()},
	}
}

// Clear undoes Set.
func Clear(ctx context.Context, bridge string) error {
	return run(ctx, "revert", bridge)
}

func run(ctx context.Context, words ...string) error {
	if err := checkProgram(program); err != nil {
		return err
	}
	var output bytes.Buffer
	command := exec.CommandContext(ctx, program, words...)
	command.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"}
	command.Dir = "/"
	command.Stdout, command.Stderr = &output, &output
	if err := command.Run(); err != nil {
		said := strings.TrimSpace(string(output.Bytes()[:min(output.Len(), maxOutput)]))
		return refusal.New(refusal.Unavailable, "systemd-resolved refused (resolvectl %s): %v: %s", words[0], err, said)
	}
	return nil
}

// checkProgram refuses a program that anyone but root could have changed.
func checkProgram(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return refusal.New(refusal.Unavailable, "this host has no systemd-resolved: %s is missing", path)
	}
	stat, isKnown := info.Sys().(*syscall.Stat_t)
	if !info.Mode().IsRegular() || !isKnown || stat.Uid != 0 || info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s is not a file that only root can change", path)
	}
	return nil
}
