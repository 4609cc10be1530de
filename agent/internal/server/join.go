package server

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"

	"golang.org/x/sys/unix"
)

const (
	// chunkHeaderBytes is the length of the number before each chunk of a port's output.
	chunkHeaderBytes = 4
	plainType        = "application/octet-stream"
	chunksType       = "application/x-banger-chunks"
)

var joinBuffers = sync.Pool{New: func() any { return new([chunkHeaderBytes + outputBytes]byte) }}

// join passes bytes between the bodies of a request and a connection, and closes the connection. The end of
// the request's body ends the connection's input. A connection that breaks resets the request.
//
// An HTTP server cannot end an answer and continue to read. So a host that understands chunks
// (?output=chunks) gets the end of the output as a chunk, and may send until it ends the body. For any other
// host, the end of the output ends the request.
func join(w http.ResponseWriter, r *http.Request, conn *net.TCPConn) {
	defer conn.Close()
	stop := context.AfterFunc(r.Context(), func() { conn.Close() })
	defer stop()
	out := answerBody{w: w, flush: http.NewResponseController(w).Flush}
	out.isChunked = r.URL.Query().Get("output") == "chunks"
	if out.begin() != nil {
		return
	}
	input := make(chan error, 1)
	go func() {
		_, err := io.Copy(conn, r.Body)
		if err == nil {
			_ = conn.CloseWrite()
		}
		input <- err
	}()
	if err := out.copy(conn); err != nil {
		panic(http.ErrAbortHandler)
	}
	if !out.isChunked {
		// The connection may have broken, which only the writer was told.
		select {
		case err := <-input:
			if err != nil {
				panic(http.ErrAbortHandler)
			}
		default:
		}
		return
	}
	broken := make(chan struct{})
	go func() {
		awaitBreak(conn)
		close(broken)
	}()
	select {
	case err := <-input:
		if err != nil {
			panic(http.ErrAbortHandler)
		}
	case <-broken:
		panic(http.ErrAbortHandler)
	}
}

// answerBody is the answer that carries the output of a connection.
type answerBody struct {
	w         http.ResponseWriter
	flush     func() error
	isChunked bool
}

func (b answerBody) begin() error {
	kind := plainType
	if b.isChunked {
		kind = chunksType
	}
	b.w.Header()["Content-Type"] = []string{kind}
	b.w.WriteHeader(http.StatusOK)
	return b.flush()
}

// copy sends what the connection sends, up to its end.
func (b answerBody) copy(conn *net.TCPConn) error {
	buffer := joinBuffers.Get().(*[chunkHeaderBytes + outputBytes]byte)
	defer joinBuffers.Put(buffer)
	for {
		n, err := conn.Read(buffer[chunkHeaderBytes:])
		ended := errors.Is(err, io.EOF)
		if n > 0 || ended && b.isChunked {
			if err := b.send(buffer, n); err != nil {
				return err
			}
		}
		if ended {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// send sends the n bytes that follow the header in buffer. In chunks, none mean the end.
func (b answerBody) send(buffer *[chunkHeaderBytes + outputBytes]byte, n int) error {
	from := chunkHeaderBytes
	if b.isChunked {
		binary.BigEndian.PutUint32(buffer[:], uint32(n))
		from = 0
	}
	if _, err := b.w.Write(buffer[from : chunkHeaderBytes+n]); err != nil {
		return err
	}
	return b.flush()
}

// awaitBreak returns when the connection breaks or is closed here. After the end of a connection's output, a
// read no longer reports that.
func awaitBreak(conn *net.TCPConn) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	// Go's poller is edge-triggered: it calls this function for each wake-up of the socket.
	_ = raw.Read(func(fd uintptr) bool {
		set := []unix.PollFd{{Fd: int32(fd), Events: 0}}
		for {
			_, err := unix.Poll(set, 0)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			return err != nil || set[0].Revents&unix.POLLERR != 0
		}
	})
}
