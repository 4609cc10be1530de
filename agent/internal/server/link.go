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
	// maxReadFrameBytes is the largest HTTP/2 frame that the host may send. It is HTTP/2's own default, and
	// Node sends no larger ones. It is small enough that a hello cannot be mistaken for a frame header, whose
	// length would be "BAN".
	maxReadFrameBytes = 16 << 10
	frameHeaderBytes  = 9
	// readBufferBytes is the most that the port's driver returns for one system call. Longer reads bypass the
	// buffer.
	readBufferBytes = 4 << 10
)

// longAgo as a deadline interrupts reads and writes in progress.
var longAgo = time.Unix(1, 0)

// Stream is one byte stream to a host.
type Stream interface {
	io.ReadWriteCloser
	// SetDeadline works as that of net.Conn, and also interrupts reads and writes in progress.
	SetDeadline(t time.Time) error
}

// link is a stream with a read buffer. It serves one host after another: what a new host sends while the old
// host's connection is still being served stays in the buffer until the next greeting.
type link struct {
	stream Stream
	buffer *bufio.Reader
}

func newLink(stream Stream) *link {
	return &link{stream: stream, buffer: bufio.NewReaderSize(stream, readBufferBytes)}
}

// conn is one HTTP/2 connection over a link. It follows the frames. Where something cannot be the start of a
// frame, it is the hello of another host: the connection ends there, and leaves the hello unread.
type conn struct {
	link *link
	// preface is the part of the preface that the HTTP/2 server has not read yet; the greeting consumed it
	// from the stream.
	preface string
	// left is how many bytes of the current frame are unread.
	left int

	// keeps: commands that were started over this connection keep running when it is lost (POST /keep).
	keeps atomic.Bool

	reading, writing sync.Mutex
	closed           atomic.Bool
	done             chan struct{}
}

// lossSettle is how long to wait, after a stream has ended, for the end of the whole connection. That takes
// much less.
const lossSettle = time.Second

type connKey struct{}

// withConn stores the connection in the context of its requests, for connOf.
func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

func connOf(r *http.Request) *conn {
	return r.Context().Value(connKey{}).(*conn)
}

// outlived returns, when a stream has ended, whether its command keeps running: it does if the connection was
// lost and keeps its commands. When the host only gave up that one request, the connection is still there.
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

// Close ends this connection and leaves the stream open. It interrupts reads and writes in progress, and
// returns when they have ended. Idempotent.
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

// The HTTP server sets no deadlines; only Close sets one on the stream.

func (c *conn) SetDeadline(time.Time) error      { return nil }
func (c *conn) SetReadDeadline(time.Time) error  { return nil }
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

// handOver is a net.Listener that returns the connections that it is given, one at a time.
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
