// Command banger-agent is the first program of the guest and then the guest's agent.
//
//	/init                       as process 1 of the initramfs: makes the root, then hands over to the image
//	banger-agent init           as process 1 of an image without systemd
//	banger-agent serve          talks to the host over the virtio port, or a vsock
//	banger-agent serve -socket  talks to a host over a Unix socket, outside a VM; with -root, personalises
//	                            that folder
//	banger-agent ready          tells the serving agent that user commands may run
//	banger-agent apply-delta    applies what the host has changed in a working tree, if that is simple
//	banger-agent changes        tells git what has changed in a working tree
//	banger-agent version
package main

import (
	"fmt"
	"os"

	"banger.dev/agent/internal/boot"
	"banger.dev/agent/internal/gitdelta"
	"banger.dev/agent/internal/gitwatch"
	"banger.dev/agent/internal/pid1"
	"banger.dev/agent/internal/ready"
)

// version is set by the linker (scripts/build-go.sh).
var version = "dev"

const usage = "usage: banger-agent serve [-init systemd|agent] [-socket PATH [-root DIR]] | ready | apply-delta TOP HOW | changes VERSION TOKEN | version"

func main() {
	// The kernel starts the initramfs' program by this name, and passes it the parameters on its command line
	// that are meant for the image's init.
	if os.Getpid() == 1 && os.Args[0] == "/init" {
		boot.Run(os.Args[1:])
	}
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "banger-agent: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	command := ""
	if len(args) > 0 {
		command = args[0]
	}
	switch command {
	case "init":
		if os.Getpid() != 1 {
			return fmt.Errorf("init must be process 1")
		}
		// Process 1 is the agent here, so there are no services that user commands would have to wait for.
		if err := ready.Mark(ready.Path); err != nil {
			return err
		}
		pid1.Run([]string{os.Args[0], "serve", "-init", "agent"}, os.Stderr)
		return nil
	case "serve":
		return serve(args[1:])
	case "ready":
		return ready.Mark(ready.Path)
	case "apply-delta":
		if len(args) != 3 {
			return fmt.Errorf("%s", usage)
		}
		return gitdelta.Apply(args[1], args[2])
	case "changes":
		return gitwatch.Changes(args[1:], gitwatch.SocketPath, os.Stdout)
	case "version":
		fmt.Println(version)
		return nil
	default:
		return fmt.Errorf("%s", usage)
	}
}
