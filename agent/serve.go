package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"

	"banger.dev/agent/internal/cmdline"
	"banger.dev/agent/internal/ext4"
	"banger.dev/agent/internal/gitwatch"
	"banger.dev/agent/internal/kmsg"
	"banger.dev/agent/internal/pid1"
	"banger.dev/agent/internal/ready"
	"banger.dev/agent/internal/server"
	"banger.dev/agent/internal/server/identity"
	"banger.dev/agent/internal/server/trim"
)

const (
	// portName is the virtio port of the agent (docs/agent-protocol.md).
	portName = "banger.agent.0"
	// crashFile holds what the Go runtime prints when the agent crashes; the next agent logs it.
	crashFile = "/run/banger/crash"
	// vsockPort is the agent's port where the host connects over a vsock.
	vsockPort = 1024
	// answerTime leaves time to send the answer to a power-off request, because the init may end the agent at
	// once.
	answerTime = 100 * time.Millisecond
	// endDeadline bounds the agent's own exit after SIGTERM, because an init that powers off waits for every
	// process. It is longer than the server takes to end the commands that run.
	endDeadline = 5 * time.Second
	// trimEvery is how often a running VM returns the space of deleted files to the host. A VM that is saved
	// does so before each save, too.
	trimEvery = 24 * time.Hour
)

// serve answers hosts until SIGTERM or SIGINT.
func serve(args []string) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	init := flags.String("init", "systemd", "")
	socket := flags.String("socket", "", "")
	root := flags.String("root", "", "")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 || (*init != "systemd" && *init != "agent") {
		return errors.New(usage)
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM, unix.SIGINT)
	defer stop()
	context.AfterFunc(ctx, func() { time.AfterFunc(endDeadline, func() { os.Exit(1) }) })
	options := server.Options{Init: *init, Version: version}
	var err error
	if *socket != "" {
		err = outsideVm(&options, *socket, *root)
	} else {
		err = insideVm(ctx, &options)
	}
	if err != nil {
		return err
	}
	return server.Run(ctx, options)
}

// outsideVm sets up an agent for the tests of the host's side: commands may run at once, and the agent never
// turns this machine off. A personalisation writes only below root, and is refused when root is empty.
func outsideVm(options *server.Options, socket, root string) (err error) {
	if root != "" {
		options.Identity = identity.Pretend(root)
	}
	options.Log = log.New(os.Stderr, "", log.LstdFlags)
	options.PowerOff = func() error { return errors.New("this agent is not in a VM") }
	options.OpenStream, err = server.ListenUnix(socket)
	return err
}

func insideVm(ctx context.Context, options *server.Options) (err error) {
	options.Log = log.New(logWriter(), "", 0)
	options.PowerOff = func() error {
		time.Sleep(answerTime)
		return pid1.PowerOff()
	}
	if options.OpenStream, err = openStream(); err != nil {
		return err
	}
	options.Identity = identity.Guest(tellGit(ctx, options.Log))
	options.Trimmer = trim.New()
	go options.Trimmer.Every(ctx, trimEvery, options.Log)
	// The kernel then kills other processes first, so the host can still reach a VM that is out of memory.
	// Commands do not inherit this (internal/server/process).
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte("-900"), 0); err != nil {
		options.Log.Printf("cannot protect the agent from the out-of-memory killer: %v", err)
	}
	if err := keepCrashes(crashFile, options.Log); err != nil {
		options.Log.Printf("cannot keep a record of crashes: %v", err)
	}
	options.Ready, err = ready.Watch(ctx, ready.Path)
	return err
}

// openStream returns the opener of the stream that the host has chosen for this VM.
func openStream() (func(context.Context) (server.Stream, error), error) {
	if options, err := cmdline.Read(); err == nil && options.HasVsock {
		return server.ListenVsock(vsockPort)
	}
	return server.OpenVirtioPort(portName), nil
}

// manyFiles is how many files a disk has that git in the guest is spared to look at.
const manyFiles = 10_000

// tellGit answers git in this guest about the changes of files (package gitwatch). It returns what to do when
// a work disk was mounted.
func tellGit(ctx context.Context, to *log.Logger) func(folder string, mounted ext4.Mounted) {
	watch := new(gitwatch.Watch)
	go func() {
		if err := watch.Serve(ctx, gitwatch.SocketPath, to); err != nil {
			to.Printf("git cannot ask for changes: %v", err)
		}
	}()
	return func(folder string, mounted ext4.Mounted) {
		work := func() error { return watch.Forget(folder) }
		if mounted.IsNew && mounted.Inodes >= manyFiles {
			work = func() error { return watch.Begin(folder, true) }
		}
		if err := work(); err != nil {
			to.Printf("git looks at all files of %s: %v", folder, err)
		}
	}
}

// logWriter writes to the kernel's log, and with banger.debug to the console too.
func logWriter() io.Writer {
	var writers []io.Writer
	if log, err := kmsg.Open("banger-agent"); err == nil {
		writers = append(writers, log)
	}
	if options, err := cmdline.Read(); err == nil && options.Debug {
		if console, err := os.OpenFile("/dev/console", os.O_WRONLY|unix.O_NOCTTY, 0); err == nil {
			writers = append(writers, console)
		}
	}
	return io.MultiWriter(writers...)
}

// keepCrashes logs the crash of the previous agent, if the file at path holds one, and has the Go runtime
// write a crash of this agent to the same file.
func keepCrashes(path string, to *log.Logger) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	last, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	if len(last) > 0 {
		to.Printf("the agent before this one crashed:\n%s", last)
	}
	if err := file.Truncate(0); err != nil {
		return err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := debug.SetCrashOutput(file, debug.CrashOptions{}); err != nil {
		return fmt.Errorf("set crash output: %w", err)
	}
	return nil
}
