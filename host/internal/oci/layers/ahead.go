package layers

import (
	"context"
	"io"
)

// chunksAhead is how many buffers a stream is read ahead.
const chunksAhead = 4

// readAhead reads a stream in a goroutine of its own, so that decompressing and what is done with the content
// use a processor each. stop ends the goroutine and waits for it.
func readAhead(ctx context.Context, from io.Reader) (r io.Reader, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	a := &ahead{full: make(chan chunk, chunksAhead), empty: make(chan []byte, chunksAhead+2)}
	for range cap(a.empty) {
		a.empty <- make([]byte, bufferBytes)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.fill(ctx, from)
	}()
	return a, func() {
		cancel()
		<-done
	}
}

type chunk struct {
	content []byte
	err     error
}

type ahead struct {
	full    chan chunk
	empty   chan []byte
	current chunk
	buffer  []byte
}

func (a *ahead) fill(ctx context.Context, from io.Reader) {
	defer close(a.full)
	for {
		var buffer []byte
		select {
		case buffer = <-a.empty:
		case <-ctx.Done():
			return
		}
		n, err := io.ReadFull(from, buffer)
		if err == io.ErrUnexpectedEOF {
			err = io.EOF
		}
		select {
		case a.full <- chunk{buffer[:n], err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

func (a *ahead) Read(p []byte) (int, error) {
	for len(a.current.content) == 0 {
		if a.current.err != nil {
			return 0, a.current.err
		}
		if a.buffer != nil {
			a.empty <- a.buffer[:cap(a.buffer)]
			a.buffer = nil
		}
		next, isThere := <-a.full
		if !isThere {
			// The goroutine was stopped.
			return 0, context.Canceled
		}
		a.current, a.buffer = next, next.content
	}
	n := copy(p, a.current.content)
	a.current.content = a.current.content[n:]
	return n, nil
}
