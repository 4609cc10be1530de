package server

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// onPort serves connections to a port of this host until the test ends, and returns the path that joins it.
func onPort(t *testing.T, serve func(*net.TCPConn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(conn.(*net.TCPConn))
		}
	}()
	return fmt.Sprintf("/tcp?port=%d", listener.Addr().(*net.TCPAddr).Port)
}

// post begins a request. Its body is what is written to the pipe.
func (h *host) post(t *testing.T, path string) (*http.Response, *io.PipeWriter) {
	t.Helper()
	r, w := io.Pipe()
	t.Cleanup(func() { w.Close() })
	request, err := http.NewRequestWithContext(t.Context(), "POST", "http://guest"+path, r)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := h.Do(request)
	if err != nil || answer.StatusCode != 200 {
		t.Fatalf("got %v, error %v", answer, err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	return answer, w
}

// readChunks returns the content of chunks, up to the one that ends the output.
func readChunks(t *testing.T, from io.Reader) []byte {
	t.Helper()
	var content []byte
	for {
		var length uint32
		if err := binary.Read(from, binary.BigEndian, &length); err != nil {
			t.Fatalf("no chunk after %d bytes: %v", len(content), err)
		}
		if length == 0 {
			return content
		}
		chunk := make([]byte, length)
		if _, err := io.ReadFull(from, chunk); err != nil {
			t.Fatal(err)
		}
		content = append(content, chunk...)
	}
}

func TestAPortThatHasEndedItsOutputStillReads(t *testing.T) {
	got := make(chan []byte, 1)
	path := onPort(t, func(conn *net.TCPConn) {
		defer conn.Close()
		io.WriteString(conn, "that is all")
		conn.CloseWrite()
		rest, _ := io.ReadAll(conn)
		got <- rest
	})
	h := meet(t, serve(t, Options{}), "")
	answer, input := h.post(t, path+"&output=chunks")
	if kind := answer.Header.Get("Content-Type"); kind != chunksType {
		t.Fatalf("got the type %q", kind)
	}
	if said := readChunks(t, answer.Body); string(said) != "that is all" {
		t.Fatalf("got %q", said)
	}
	sent := bytes.Repeat([]byte("much more than a window"), 100_000)
	if _, err := input.Write(sent); err != nil {
		t.Fatal(err)
	}
	input.Close()
	if rest := <-got; !bytes.Equal(rest, sent) {
		t.Fatalf("the port got %d of %d bytes", len(rest), len(sent))
	}
	if rest, err := io.ReadAll(answer.Body); len(rest) > 0 || err != nil {
		t.Fatalf("got %q, error %v", rest, err)
	}
}

func TestChunksCarryTheWholeOutput(t *testing.T) {
	path := onPort(t, func(conn *net.TCPConn) {
		defer conn.Close()
		io.Copy(conn, conn)
	})
	h := meet(t, serve(t, Options{}), "")
	answer, input := h.post(t, path+"&output=chunks")
	sent := bytes.Repeat([]byte("0123456789abcdef!"), 300_000)
	go func() {
		input.Write(sent)
		input.Close()
	}()
	if got := readChunks(t, answer.Body); !bytes.Equal(got, sent) {
		t.Fatalf("got %d of %d bytes", len(got), len(sent))
	}
}

func TestForAHostWithoutChunksTheEndOfTheOutputEndsTheRequest(t *testing.T) {
	path := onPort(t, func(conn *net.TCPConn) {
		io.WriteString(conn, "that is all")
		conn.CloseWrite()
		io.Copy(io.Discard, conn)
	})
	h := meet(t, serve(t, Options{}), "")
	answer, _ := h.post(t, path)
	if got, err := io.ReadAll(answer.Body); string(got) != "that is all" || err != nil {
		t.Fatalf("got %q, error %v", got, err)
	}
}

func TestAPortThatBreaksAfterTheEndOfItsOutputResetsTheRequest(t *testing.T) {
	breakNow := make(chan struct{})
	path := onPort(t, func(conn *net.TCPConn) {
		conn.CloseWrite()
		<-breakNow
		conn.SetLinger(0)
		conn.Close()
	})
	h := meet(t, serve(t, Options{}), "")
	// The host sends nothing, so that only the kernel can tell that the connection is broken.
	answer, _ := h.post(t, path+"&output=chunks")
	if got := readChunks(t, answer.Body); len(got) > 0 {
		t.Fatalf("got %q", got)
	}
	close(breakNow)
	failed := make(chan error, 1)
	go func() {
		_, err := io.ReadAll(answer.Body)
		failed <- err
	}()
	select {
	case err := <-failed:
		if err == nil {
			t.Fatal("the request ended as if nothing had happened")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the request is still open")
	}
}

func TestAPortThatRefusesTheRestOfAnUploadStillAnswers(t *testing.T) {
	path := onPort(t, func(conn *net.TCPConn) {
		io.WriteString(conn, "413 too much")
		time.Sleep(50 * time.Millisecond)
		conn.Close()
	})
	h := meet(t, serve(t, Options{}), "")
	answer, input := h.post(t, path+"&output=chunks")
	go func() {
		for {
			if _, err := input.Write(make([]byte, 1<<16)); err != nil {
				return
			}
		}
	}()
	content, err := io.ReadAll(answer.Body)
	if !bytes.Contains(content, []byte("413 too much")) {
		t.Fatalf("got %q, error %v", content, err)
	}
	if err == nil || errors.Is(err, io.EOF) {
		t.Fatalf("the host was not told that its upload was cut off: %v", err)
	}
}

func TestAHostThatGivesUpAfterTheEndOfTheOutputClosesTheConnection(t *testing.T) {
	closed := make(chan struct{})
	path := onPort(t, func(conn *net.TCPConn) {
		conn.CloseWrite()
		io.Copy(io.Discard, conn)
		close(closed)
	})
	h := meet(t, serve(t, Options{}), "")
	answer, _ := h.post(t, path+"&output=chunks")
	readChunks(t, answer.Body)
	answer.Body.Close()
	select {
	case <-closed:
	case <-time.After(10 * time.Second):
		t.Fatal("the connection is still open")
	}
}
