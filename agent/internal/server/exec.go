package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"banger.dev/agent/internal/server/execframe"
	"banger.dev/agent/internal/server/jobs"
	"banger.dev/agent/internal/server/process"
)

const (
	// killAfter is how long the commands of a lost host may take to end by themselves before SIGKILL.
	killAfter = 2 * time.Second
	// frameReadBytes has room for a few headers; input bypasses this buffer.
	frameReadBytes = 4 << 10
)

// exec runs one command: POST /exec, as the user of the query unless the start frame names one. The HTTP
// status is always 200; frames report everything else, including a command that could not be started.
func (s *service) exec(w http.ResponseWriter, r *http.Request) {
	s.commands.Add(1)
	uncount := sync.OnceFunc(s.commands.Done)
	defer uncount()

	w.Header()["Content-Type"] = []string{"application/octet-stream"}
	out := newFrameWriter(w)
	defer out.close()
	most, err := timeLimit(r)
	if err != nil {
		out.fail(process.BadRequest, err)
		return
	}
	body := &bodyReader{Reader: r.Body}
	frames := execframe.NewReader(bufio.NewReaderSize(body, frameReadBytes))
	spec, err := readStart(frames)
	if err != nil {
		out.fail(process.BadRequest, err)
		return
	}
	if spec.User == "" {
		spec.User = r.URL.Query().Get("user")
	}
	p, err := process.Start(spec)
	if err != nil {
		code := process.Failed
		if refusal := new(process.StartError); errors.As(err, &refusal) {
			code = refusal.Code
		}
		out.fail(code, err)
		return
	}
	out.first(execframe.Started, started{p.PID})

	c := &command{Process: p, conn: connOf(r), out: out, input: newInput(p.Stdin, spec.Terminal != nil, out), uncount: uncount}
	stop := context.AfterFunc(r.Context(), c.leave)
	go c.follow(frames, body)
	limit := p.LimitTo(most, c.cutOff)
	status, err := c.run()
	isTimedOut := limit.Over()
	c.finished.Store(true)
	if !stop() {
		// The host is gone: the rest of the session must be ended or detached before this command counts as
		// done.
		c.leave()
		return
	}
	if violation := c.violation.Load(); violation != nil {
		out.fail(process.BadRequest, *violation)
		return
	}
	switch {
	case err != nil:
		out.fail(process.Failed, err)
	case isTimedOut:
		out.last(execframe.Exit, exitCode{Code: jobs.TimedOutCode, TimedOut: true})
	case status.Signal != 0:
		out.last(execframe.Exit, exitSignal{process.SignalName(status.Signal), int(status.Signal)})
	default:
		out.last(execframe.Exit, exitCode{Code: status.Code})
	}
}

// command is a process and the streams between it and the host.
type command struct {
	*process.Process
	conn  *conn
	out   *frameWriter
	input *input
	// uncount removes the command from the count of those for which the server waits when it shuts down.
	// Idempotent.
	uncount func()
	// exited: the command itself has ended. finished: its output has ended, too, and nothing of it is left
	// for the agent to end.
	exited, finished atomic.Bool
	// kept: the command has outlived its host, and its output is discarded.
	kept      atomic.Bool
	violation atomic.Pointer[error]
	// abandoned: the command was ended on the host's behalf; nobody wants the rest of its output.
	abandoned  atomic.Bool
	leaving    sync.Once
	abandoning sync.Once
}

// bodyReader records that the request's body was cut off, which is not an error in its frames.
type bodyReader struct {
	io.Reader
	broken atomic.Bool
}

func (b *bodyReader) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.broken.Store(true)
	}
	return n, err
}

// run forwards output until the command and its output have ended.
func (c *command) run() (process.Status, error) {
	var pumps sync.WaitGroup
	pumps.Go(func() { c.pump(execframe.Stdout, c.Stdout) })
	if c.Stderr != nil {
		pumps.Go(func() { c.pump(execframe.Stderr, c.Stderr) })
	}
	status, err := c.Wait()
	c.exited.Store(true)
	c.extendReads()
	pumps.Wait()
	c.input.close()
	c.Stdout.Close()
	if c.Stderr != nil {
		c.Stderr.Close()
	}
	return status, err
}

// follow handles the host's frames until their end. When the host breaks the protocol, its command is ended.
func (c *command) follow(frames *execframe.Reader, body *bodyReader) {
	for {
		kind, _, err := frames.Next()
		if err == nil {
			err = c.obey(kind, frames)
		} else if errors.Is(err, io.EOF) {
			c.input.end()
			return
		}
		if err != nil {
			if !c.finished.Load() && !body.broken.Load() {
				c.violation.Store(&err)
				c.abandon()
			}
			return
		}
	}
}

func (c *command) obey(kind byte, frames *execframe.Reader) error {
	switch kind {
	case execframe.Stdin:
		return c.input.take(frames)
	case execframe.StdinEnd:
		c.input.end()
		return nil
	case execframe.Resize:
		var size terminalSize
		if err := decodePayload(frames, &size); err != nil {
			return err
		}
		if c.Stderr == nil {
			_ = c.Resize(size.Rows, size.Cols)
		}
		return nil
	case execframe.Signal:
		var wanted signalName
		if err := decodePayload(frames, &wanted); err != nil {
			return err
		}
		signal, err := process.ParseSignal(wanted.Signal)
		if err != nil {
			return err
		}
		_ = c.Signal(signal)
		return nil
	}
	return fmt.Errorf("unexpected frame of type %d", kind)
}

// leave handles the loss of the host: it ends the command, or detaches it so that it keeps running. Every
// call returns only when that is done.
func (c *command) leave() {
	c.leaving.Do(func() {
		if !c.conn.outlived() {
			c.abandon()
			return
		}
		c.kept.Store(true)
		c.uncount()
		c.input.leave()
	})
}

// abandon ends the command, its session and its streams, because no host is connected to them any more. Every
// call returns only when all of them have ended.
func (c *command) abandon() {
	c.abandoning.Do(func() {
		c.abandoned.Store(true)
		c.input.close()
		c.End(killAfter)
		// A process outside the session may hold the output open.
		c.Stdout.SetReadDeadline(longAgo)
		if c.Stderr != nil {
			c.Stderr.SetReadDeadline(longAgo)
		}
	})
}
