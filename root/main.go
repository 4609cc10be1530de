// Command bangerd-root does for one user of a host what only root can do, and nothing else: a closed list of
// typed operations on bridges, taps, firewall rules and the resolver. systemd starts it with a socket of that
// user.
//
//	bangerd-root --owner UID
//	bangerd-root clean --owner UID    deletes all that it has made; for an uninstall
//	bangerd-root version
package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"banger.dev/root/internal/helper"
	"banger.dev/root/internal/network"
	"banger.dev/root/internal/server"
)

// version is set by the linker (scripts/build-go.sh).
var version = "dev"

const usage = "usage: bangerd-root --owner UID | clean --owner UID | version"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "bangerd-root: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 1 && args[0] == "version":
		fmt.Println(version)
		return nil
	case len(args) == 2 && args[0] == "--owner":
		owner, err := parseOwner(args[1])
		if err != nil {
			return err
		}
		return serve(owner)
	case len(args) == 3 && args[0] == "clean" && args[1] == "--owner":
		owner, err := parseOwner(args[2])
		if err != nil {
			return err
		}
		deleted, err := network.Clean(owner)
		for _, name := range deleted {
			fmt.Println("deleted", name)
		}
		return err
	default:
		return errors.New(usage)
	}
}

func parseOwner(text string) (uint32, error) {
	uid, err := strconv.ParseUint(text, 10, 32)
	if err != nil || uid == 0 || uid == 1<<32-1 {
		return 0, errors.New("--owner must be the number of a user other than root")
	}
	return uint32(uid), nil
}

func serve(owner uint32) error {
	syscall.Umask(0o077)
	listener, err := server.Activated(owner)
	if err != nil {
		return err
	}
	os.Clearenv()
	ending := make(chan os.Signal, 1)
	signal.Notify(ending, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-ending
		listener.Close()
	}()
	made := &server.Server{
		Owner: owner,
		Doer:  &helper.Helper{Owner: owner, Version: version, Subnets: helper.SubnetsFile},
		Audit: server.NewAudit(os.Stderr),

		ReadDeadline: server.ReadDeadline,
	}
	return made.Serve(listener)
}
