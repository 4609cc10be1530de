// Command banger-host does work on the host that needs a static program. It runs as the user, without
// privileges.
//
//	banger-host confine OPTION... -- PROGRAM ARGUMENT...   puts a wall around a program and becomes it
//	banger-host connect SOCKET NAME REQUEST                gives a connection to a confined QEMU
//	banger-host ext4 OPTION... IMAGE < TAR                 makes a file system with the files of a tar stream
//	banger-host keep-logs --max BYTES --keep PATH...       writes the logs of a confined program (confine
//	                                                       starts it)
//	banger-host oci COMMAND OPTION...                      pulls and imports container images, and makes root
//	                                                       file systems of them
//	banger-host peers                                      tells the daemon, on its standard input and output,
//	                                                       which users are at the other end of connections
//	banger-host walls                                      prints which walls this kernel offers, as JSON
//	banger-host version
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"banger.dev/host/internal/confine"
	"banger.dev/host/internal/handover"
	"banger.dev/host/internal/keeplog"
	"banger.dev/host/internal/mkext4"
	"banger.dev/host/internal/net/process"
	"banger.dev/host/internal/oci"
	"banger.dev/host/internal/peers"
)

// version is set by the linker (scripts/build-go.sh).
var version = "dev"

const usage = "usage: banger-host confine OPTION... -- PROGRAM ARGUMENT... | connect SOCKET NAME REQUEST | ext4 OPTION... IMAGE | oci COMMAND OPTION... | net OPTION... | peers | walls | version"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "banger-host: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	command := ""
	if len(args) > 0 {
		command = args[0]
	}
	switch command {
	case "confine":
		plan, err := confine.Parse(args[1:])
		if err != nil {
			return err
		}
		return plan.Run()
	case "keep-logs":
		return keeplog.Run(args[1:])
	case "ext4":
		return mkext4.Run(args[1:])
	case "oci":
		os.Exit(oci.Run(args[1:]))
		return nil
	case "connect":
		return handover.Run(args[1:])
	case "net":
		return process.Run(args[1:])
	case "peers":
		return peers.Run(os.Stdin, os.Stdout)
	case "walls":
		return json.NewEncoder(os.Stdout).Encode(confine.Offered())
	case "version":
		fmt.Println(version)
		return nil
	default:
		return fmt.Errorf("%s", usage)
	}
}
