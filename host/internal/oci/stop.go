package oci

import (
	"context"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"syscall"
)

// untilStopped returns a context that ends when the program must: by a signal, or when the program that
// started this one has ended and with it the pipe that is the standard input. A terminal or a file there
// means nothing.
func untilStopped(in *os.File) (context.Context, func()) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	ctx, cancel := context.WithCancel(ctx)
	info, err := in.Stat()
	if err == nil && info.Mode()&(fs.ModeNamedPipe|fs.ModeSocket) != 0 {
		go func() {
			_, _ = io.Copy(io.Discard, in)
			cancel()
		}()
	}
	return ctx, func() {
		cancel()
		stop()
	}
}
