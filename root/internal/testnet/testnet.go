// Package testnet gives tests a network of their own, and what is needed to look at it.
package testnet

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

const inside = "BANGER_TEST_OWN_NETWORK"

// Main runs the tests of a package in a network namespace that ends with them. Use it as TestMain. Without
// root, the tests run where they are, and Need skips them.
func Main(m *testing.M) {
	if os.Geteuid() != 0 || os.Getenv(inside) != "" {
		os.Exit(m.Run())
	}
	command := exec.Command("/proc/self/exe", os.Args[1:]...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	command.Env = append(os.Environ(), inside+"=1")
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if err := command.Run(); err != nil {
		if command.ProcessState == nil {
			fmt.Fprintln(os.Stderr, err)
			// The host allows root no namespace, as in some containers.
			os.Exit(m.Run())
		}
		os.Exit(1)
	}
	os.Exit(0)
}

// Need skips a test that has no network of its own.
func Need(t *testing.T) {
	t.Helper()
	if os.Getenv(inside) == "" {
		t.Skip("needs root, for a network namespace of its own")
	}
}
