package server

import (
	"errors"
	"os"
	"sync"
	"time"

	"banger.dev/agent/internal/server/execframe"
	"banger.dev/agent/internal/server/process"
)

const (
	// lingerAfterExit is how long the agent waits for more output after a command has ended, when a background
	// child still holds the output open. It counts from the last byte.
	lingerAfterExit = 200 * time.Millisecond
	outputBytes     = 64 << 10
)

var outputBuffers = sync.Pool{New: func() any { return new([execframe.HeaderBytes + outputBytes]byte) }}

// extendReads sets a deadline of lingerAfterExit for the reads in progress.
func (c *command) extendReads() {
	for _, file := range []*os.File{c.Stdout, c.Stderr} {
		if file != nil {
			file.SetReadDeadline(time.Now().Add(lingerAfterExit))
		}
	}
}

// pump forwards one output to the host. A host that does not read blocks it, and so the command: output is
// dropped only when the command has outlived its host, or the host has given it up.
func (c *command) pump(kind byte, from *os.File) {
	buffer := outputBuffers.Get().(*[execframe.HeaderBytes + outputBytes]byte)
	defer outputBuffers.Put(buffer)
	for {
		if c.exited.Load() && !c.abandoned.Load() {
			from.SetReadDeadline(time.Now().Add(lingerAfterExit))
		}
		n, err := from.Read(buffer[execframe.HeaderBytes:])
		if errors.Is(err, os.ErrDeadlineExceeded) && !c.abandoned.Load() {
			// On a busy host, this goroutine may not have run before its deadline.
			n, err = process.ReadWhatIsThere(from, buffer[execframe.HeaderBytes:])
		}
		if n > 0 {
			execframe.PutHeader(buffer[:], kind, n)
			if !c.kept.Load() && c.out.write(buffer[:execframe.HeaderBytes+n]) != nil {
				c.leave()
				if !c.kept.Load() {
					return
				}
			}
		}
		if err != nil {
			return
		}
	}
}
