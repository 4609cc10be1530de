package server

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxReadFrameBytes is the largest HTTP/2 frame the host may send: HTTP/2's own default, which is also all
	// that Node sends. It is small so that a hello in the place of a frame header ("BAN" as a length) cannot
	// pass for one.
	maxReadFrameBytes = 16 << 10
	frameHeaderBytes  = 9
	// readBufferBytes is what the port's driver gives at most for one system call. Longer reads go past the
	// buffer.
	readBufferBytes = 4 << 10
)

// longAgo as a deadline interrupts what is under way.
var longAgo = time.Unix(1, 0)

// Stream is one byte stream to a host.
type Stream interface {
	io.ReadWriteCloser
	// SetDeadline interrupts reads and writes that are under way, as of net.Conn.
	SetDeadline(t time.Time) error
}

// link is a stream with what was read ahead of it. Hosts come and go on one link: what a new host sent while
// the connection of the old one was still being served stays in the buffer for the next meeting.
type link struct {
	stream Stream
	buffer *bufio.Reader
}

func newLink(stream Stream) *link {
	return &link{stream: stream, buffer: bufio.NewReaderSize(stream, readBufferBytes)}
}

// conn is one HTTP/2 connection over a link. It walks from frame to frame and ends, without taking a byte,
// where something stands that cannot be a frame: that is another host's hello.
type conn struct {
	link *link
	// preface is what HTTP/2 has yet to see of the preface that the meeting took.
	preface string
	// left is how much of the current frame was not read yet.
	left int

	// keeps: what was started over this connection goes on when it is lost (POST /keep).
	keeps atomic.Bool

	reading, writing sync.Mutex
	closed           atomic.Bool
	done             chan struct{}
}

// lossSettle is how long after the end of a stream its whole connection may end: much longer than it takes.
const lossSettle = time.Second

type connKey struct{}

// withConn lets handlers find the connection that their request came over.
func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

func connOf(r *http.Request) *conn {
	return r.Context().Value(connKey{}).(*conn)
}

// outlived tells, when a stream has ended, whether its command goes on: the connection keeps its commands and
// was lost. A host that gives up a single request stays connected.
func (c *conn) outlived() bool {
	if !c.keeps.Load() {
		return false
	}
	select {
	case <-c.done:
		return true
	case <-time.After(lossSettle):
		return false
	}
}

func newConn(l *link, preface string) *conn {
	return &conn{link: l, preface: preface, done: make(chan struct{})}
}

func (c *conn) Read(p []byte) (int, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	if c.closed.Load() {
		return 0, net.ErrClosed
	}
	if len(c.preface) > 0 {
		n := copy(p, c.preface)
		c.preface = c.preface[n:]
		return n, nil
	}
	if c.left == 0 {
		length, err := c.link.buffer.Peek(3)
		if err != nil {
			return 0, err
		}
		payload := int(length[0])<<16 | int(length[1])<<8 | int(length[2])
		if payload > maxReadFrameBytes {
			return 0, io.EOF
		}
		c.left = frameHeaderBytes + payload
	}
	n, err := c.link.buffer.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

func (c *conn) Write(p []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.closed.Load() {
		return 0, net.ErrClosed
	}
	return c.link.stream.Write(p)
}

// Close ends this connection and leaves the stream open: reads and writes under way are interrupted, and have
// ended when Close returns. Closing twice is fine.
func (c *conn) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	err := c.link.stream.SetDeadline(longAgo)
	c.reading.Lock()
	c.writing.Lock()
	err = errors.Join(err, c.link.stream.SetDeadline(time.Time{}))
	c.writing.Unlock()
	c.reading.Unlock()
	close(c.done)
	return err
}

type linkAddr struct{}

func (linkAddr) Network() string { return "banger" }
func (linkAddr) String() string  { return "host" }

func (c *conn) LocalAddr() net.Addr  { return linkAddr{} }
func (c *conn) RemoteAddr() net.Addr { return linkAddr{} }

// The HTTP server's deadlines are all unset; the stream's own belongs to Close.

func (c *conn) SetDeadline(time.Time) error      { return nil }
func (c *conn) SetReadDeadline(time.Time) error  { return nil }
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

// handOver is a listener to which connections are given one by one.
type handOver struct {
	conns chan net.Conn
	once  sync.Once
	ended chan struct{}
}

func newHandOver() *handOver {
	return &handOver{conns: make(chan net.Conn), ended: make(chan struct{})}
}

func (h *handOver) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.ended:
		return nil, net.ErrClosed
	}
}

func (h *handOver) Close() error {
	h.once.Do(func() { close(h.ended) })
	return nil
}

func (h *handOver) Addr() net.Addr { return linkAddr{} }
