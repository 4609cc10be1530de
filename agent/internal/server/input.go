package server

import (
	"encoding/binary"
	"os"
	"sync"

	"banger.dev/agent/internal/server/execframe"
)

const (
	// inputWindowBytes is how much input the host may send ahead of the command. The agent queues that much,
	// so that it sees a signal or a resize behind it at once.
	inputWindowBytes = 1 << 20
	// ackEvery is how much input the command reads between two acknowledgements.
	ackEvery   = inputWindowBytes / 4
	chunkBytes = 64 << 10
	// endOfTransmission is the character that ends a terminal's input (Ctrl-D; termios(3), VEOF).
	endOfTransmission = 4
)

// input is the queue between the host and a command's standard input.
type input struct {
	to       *os.File
	terminal bool
	out      *frameWriter

	mu      sync.Mutex
	changed sync.Cond
	chunks  [][]byte
	queued  int
	// ended: no more input will come. broken: the command has closed its input, and more input is discarded.
	// left: it ended because the host was lost.
	started, ended, broken, left bool
}

func newInput(to *os.File, terminal bool, out *frameWriter) *input {
	q := &input{to: to, terminal: terminal, out: out}
	q.changed.L = &q.mu
	return q
}

// take queues the payload of the current frame. It blocks while the queue is full, which never happens to a
// host that waits for acknowledgements.
func (q *input) take(frames *execframe.Reader) error {
	for frames.Left() > 0 {
		chunk := make([]byte, min(chunkBytes, frames.Left()))
		n, err := frames.Read(chunk)
		if n > 0 {
			q.add(chunk[:n])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (q *input) add(chunk []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.queued >= inputWindowBytes && !q.ended {
		q.changed.Wait()
	}
	if q.ended {
		return
	}
	q.chunks = append(q.chunks, chunk)
	q.queued += len(chunk)
	q.wake()
}

// end closes the command's input after what is queued.
func (q *input) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = true
	q.wake()
}

// leave ends the input because the host is lost. A terminal stays open, because its user has not typed
// Ctrl-D.
func (q *input) leave() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.left = !q.ended
	q.ended = true
	q.wake()
}

// wake is called with mu held. It starts the goroutine that delivers input; most commands get no input and
// need none.
func (q *input) wake() {
	if !q.started {
		q.started = true
		go q.deliver()
	}
	q.changed.Broadcast()
}

// close ends the input at once. Idempotent.
func (q *input) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended, q.broken = true, true
	if !q.terminal {
		q.to.Close()
	}
	q.changed.Broadcast()
}

// deliver writes queued input to the command until the end, and acknowledges it to the host from time to
// time.
func (q *input) deliver() {
	unacknowledged := 0
	for {
		chunk, broken, ok := q.next()
		if !ok {
			q.finish()
			return
		}
		if !broken {
			if _, err := q.to.Write(chunk); err != nil {
				q.giveUp()
			}
		}
		unacknowledged += len(chunk)
		if unacknowledged >= ackEvery {
			q.acknowledge(unacknowledged)
			unacknowledged = 0
		}
	}
}

func (q *input) next() (chunk []byte, broken, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.chunks) == 0 && !q.ended {
		q.changed.Wait()
	}
	if len(q.chunks) == 0 {
		return nil, false, false
	}
	chunk = q.chunks[0]
	q.chunks = q.chunks[1:]
	q.queued -= len(chunk)
	q.changed.Broadcast()
	return chunk, q.broken, true
}

func (q *input) giveUp() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.broken = true
	q.changed.Broadcast()
}

func (q *input) finish() {
	if !q.terminal {
		q.to.Close()
		return
	}
	q.mu.Lock()
	left := q.left
	q.mu.Unlock()
	if !left {
		_, _ = q.to.Write([]byte{endOfTransmission})
	}
}

func (q *input) acknowledge(n int) {
	var payload [4]byte
	binary.BigEndian.PutUint32(payload[:], uint32(n))
	_ = q.out.write(execframe.Append(nil, execframe.StdinAck, payload[:]))
}
