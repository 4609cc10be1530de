// Package server is the agent's conversation with the host: docs/agent-protocol.md is the contract.
//
// One host at a time speaks HTTP/2 over one byte stream. When it goes away, everything that runs for it ends,
// unless it said that it captures the guest (POST /keep), and the agent waits for the next one.
package server

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"syscall"
	"time"

	"banger.dev/agent/internal/server/hello"
	"banger.dev/agent/internal/server/identity"
	"banger.dev/agent/internal/server/trim"
)

const (
	// streamWindowBytes is how much of one request's body may wait here for its reader.
	streamWindowBytes = 512 << 10
	maxStreams        = 512
	// linkWindowBytes has room for a full window of every stream at once, so that streams whose readers are
	// stuck never hold up another. What waits in memory is bounded by the windows of the streams.
	linkWindowBytes = (maxStreams + 1) * streamWindowBytes
	// reopenEvery is the pause after a stream could not be opened.
	reopenEvery = 100 * time.Millisecond
	// endGrace is how long Run waits, when it is told to end, for the commands that it ended: the time until
	// they are killed, and a little to see them gone.
	endGrace = killAfter + time.Second
)

// Options are what the server needs from the program around it.
type Options struct {
	// OpenStream waits for the next host and returns the stream to it. See OpenVirtioPort and ListenUnix.
	OpenStream func(context.Context) (Stream, error)
	// Init names what process 1 is: "systemd" or "agent".
	Init string
	// Ready is closed when user commands may run. Nil means that they always may.
	Ready <-chan struct{}
	// PowerOff turns the guest off; it is called once file systems are synced and the host has its answer.
	PowerOff func() error
	// Identity is the machine that a host may make its own. The zero value refuses.
	Identity identity.System
	// Trimmer has the guest's file systems give back what they do not use. Nil never does.
	Trimmer *trim.Trimmer
	// Version is the agent's own, for people.
	Version string
	// Log may be nil.
	Log *log.Logger
}

// Run serves one host after another until ctx ends; then it ends what still runs for a host and returns nil.
func Run(ctx context.Context, o Options) error {
	if o.Log == nil {
		o.Log = log.New(io.Discard, "", 0)
	}
	// An init inherits 0 from the kernel, which commands and unpacked files must not.
	syscall.Umask(0o022)

	s := newService(o)
	defer s.width.narrow()()
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	web := &http.Server{
		Handler:   s.routes(),
		Protocols: protocols,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          maxStreams,
			MaxReadFrameSize:              maxReadFrameBytes,
			MaxReceiveBufferPerConnection: linkWindowBytes,
			MaxReceiveBufferPerStream:     streamWindowBytes,
		},
		BaseContext: func(net.Listener) context.Context { return ctx },
		ConnContext: withConn,
		ErrorLog:    o.Log,
	}
	conns := newHandOver()
	go web.Serve(conns)

	for ctx.Err() == nil {
		stream, err := o.OpenStream(ctx)
		if err != nil {
			if ctx.Err() == nil {
				o.Log.Printf("cannot open the stream to the host: %v", err)
				pause(ctx, reopenEvery)
			}
			continue
		}
		err = serveStream(ctx, stream, conns)
		o.Log.Printf("host gone: %v", err)
	}
	web.Close()
	s.waitForCommands(endGrace)
	return nil
}

// serveStream meets host after host on one stream until the stream ends, and returns why it did.
func serveStream(ctx context.Context, stream Stream, conns *handOver) error {
	defer stream.Close()
	stop := context.AfterFunc(ctx, func() { stream.Close() })
	defer stop()
	l := newLink(stream)
	for {
		if err := hello.Meet(l.buffer, stream); err != nil {
			return err
		}
		c := newConn(l, hello.Preface)
		conns.conns <- c
		<-c.done
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
