// Package server is the agent's side of the connection with the host; docs/agent-protocol.md is the contract.
//
// One host at a time speaks HTTP/2 over one byte stream. When the host is gone, the agent ends everything
// that runs for it, unless the host said before that it captures the guest (POST /keep). Then the agent waits
// for the next host.
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
	// streamWindowBytes is how many bytes of one request's body may wait in the agent for their reader.
	streamWindowBytes = 512 << 10
	maxStreams        = 512
	// linkWindowBytes has room for a full window of every stream at once, so that streams whose readers are
	// stuck never block another. The windows of the streams bound the data in memory.
	linkWindowBytes = (maxStreams + 1) * streamWindowBytes
	// reopenEvery is the pause after a failure to open the stream.
	reopenEvery = 100 * time.Millisecond
	// endGrace is how long Run waits at its end for the commands that it ends: the time until they are
	// killed, and a little more to see them gone.
	endGrace = killAfter + time.Second
)

// Options are what the server needs from the program around it.
type Options struct {
	// OpenStream waits for the next host and returns the stream to it. See OpenVirtioPort, ListenVsock and
	// ListenUnix.
	OpenStream func(context.Context) (Stream, error)
	// Init is the kind of process 1: "systemd" or "agent".
	Init string
	// Ready is closed when user commands may run. If it is nil, they always may.
	Ready <-chan struct{}
	// PowerOff turns the guest off. It is called after the file systems are synced and the host has its
	// answer.
	PowerOff func() error
	// Identity is the machine that a host may personalise. The zero value refuses to.
	Identity identity.System
	// Trimmer makes the guest's file systems discard unused blocks. If it is nil, they never do.
	Trimmer *trim.Trimmer
	// Version is the agent's version, for people to read.
	Version string
	// Log may be nil.
	Log *log.Logger
}

// Run serves one host after another until ctx ends. Then it ends the commands that still run for a host and
// returns nil.
func Run(ctx context.Context, o Options) error {
	if o.Log == nil {
		o.Log = log.New(io.Discard, "", 0)
	}
	// An init inherits 0 from the kernel; commands and unpacked files must not.
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
		o.Log.Printf("lost the host: %v", err)
	}
	web.Close()
	s.waitForCommands(endGrace)
	return nil
}

// serveStream serves one host after another on one stream until the stream ends, and returns why it ended.
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
