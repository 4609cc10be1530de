// Package oci has the commands that bring container images into a store, make root file systems of them and
// images of root file systems, and bring images to archives and registries.
//
// Each prints JSON, one value a line: first any number of {"progress": …}, at most 5 a second, then the
// result or {"error": …} with the exit status 1. Wrong usage ends with the status 2 and a text on standard
// error. A command ends early, with the status 143 and without a last line, on SIGTERM, on SIGINT, and when
// the pipe or socket that is its standard input ends.
package oci

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"banger.dev/host/internal/oci/fault"
)

const usage = `usage: banger-host oci pull --store DIR --ref REF [--platform OS/ARCH] [--insecure HOST]... [--mirror HOST=URL]... [--auth FILE]...
       banger-host oci import --store DIR --from KIND:PATH [--platform OS/ARCH]   (KIND: oci, oci-archive, docker-archive, rootfs, dir)
       banger-host oci pack --store DIR --rootfs FILE [--overlay FILE] [--parent sha256:HEX] [--config FILE] [--platform OS/ARCH] [--created-by TEXT] [--leave-out PATH]... [--max-bytes N] [--max-entries N]
       banger-host oci export --store DIR --manifest sha256:HEX --out FILE [--name REF]
       banger-host oci push --store DIR --manifest sha256:HEX --ref REF [--mount-from REF]... [--insecure HOST]... [--auth FILE]...
       banger-host oci artifact --store DIR --ref REF --out DIR [--insecure HOST]... [--mirror HOST=URL]... [--auth FILE]...
       banger-host oci rootfs --store DIR --manifest sha256:HEX --out FILE [--free BYTES] [--max-bytes N] [--max-entries N]
`

// Exit statuses.
const (
	statusFailed  = 1
	statusUsage   = 2
	statusStopped = 143
)

// command runs with a context that ends when the program must.
type command func(ctx context.Context, args []string, lines *lines) (any, error)

// errUsage is the error for options that are wrong; package flag has printed why.
var errUsage = errors.New("wrong usage")

// Run runs the command that args name, and returns the exit status.
func Run(args []string) int {
	commands := map[string]command{
		"pull": pull, "import": importImage, "rootfs": makeRootfs, "pack": packImage, "export": exportImage, "push": push,
		"artifact": pullArtifact,
	}
	name := ""
	if len(args) > 0 {
		name = args[0]
	}
	run, isKnown := commands[name]
	if !isKnown {
		fmt.Fprint(os.Stderr, usage)
		return statusUsage
	}
	ctx, stop := untilStopped(os.Stdin)
	defer stop()
	return runCommand(ctx, run, args[1:], os.Stdout)
}

func runCommand(ctx context.Context, run command, args []string, out io.Writer) int {
	lines := newLines(out)
	result, err := run(ctx, args, lines)
	switch {
	case errors.Is(err, errUsage):
		fmt.Fprint(os.Stderr, usage)
		return statusUsage
	case err == nil:
		lines.last(result)
		return 0
	case ctx.Err() != nil:
		return statusStopped
	}
	known, isKnown := fault.Of(err)
	if !isKnown {
		known = fault.Final(codeOfBug, "%v", err)
	}
	lines.last(map[string]any{"error": known})
	return statusFailed
}

// codeOfBug is the code of errors that no user can do anything about.
const codeOfBug = "IMAGE_TOOL_FAILED"

// texts is an option that can be given several times.
type texts []string

func (t *texts) String() string { return strings.Join(*t, " ") }

func (t *texts) Set(value string) error {
	*t = append(*t, value)
	return nil
}

// parse reads options, of which some must be given.
func parse(flags *flag.FlagSet, args []string, needed ...*string) error {
	flags.SetOutput(os.Stderr)
	if flags.Parse(args) != nil || flags.NArg() > 0 {
		return errUsage
	}
	for _, value := range needed {
		if *value == "" {
			return errUsage
		}
	}
	return nil
}

// platformOf reads OS/ARCH[/VARIANT].
func platformOf(text string) (v1.Platform, error) {
	platform, err := v1.ParsePlatform(text)
	if err != nil || platform.OS == "" || platform.Architecture == "" {
		return v1.Platform{}, errUsage
	}
	return *platform, nil
}
