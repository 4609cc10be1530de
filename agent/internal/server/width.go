package server

import (
	"runtime"
	"sync"
)

// width is how many processors the agent uses at once. One is best for everything that waits for the host or
// for a command: with more, each message wakes a second thread on another processor, which finds no work.
// Measured under emulation, that makes a request a third longer and a command an eighth. Unpacking is the
// exception: files are written while the rest of the stream is read.
type width struct {
	mu    sync.Mutex
	wide  int
	whole int
}

// narrow makes the agent use one processor. The function that it returns restores the earlier number.
func (w *width) narrow() (restore func()) {
	w.whole = runtime.GOMAXPROCS(1)
	return func() { runtime.GOMAXPROCS(w.whole) }
}

// widen lets the agent use all its processors until the returned function is called.
func (w *width) widen() (narrow func()) {
	w.change(1)
	return func() { w.change(-1) }
}

func (w *width) change(by int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.wide > 0
	w.wide += by
	if after := w.wide > 0; after && !before {
		runtime.GOMAXPROCS(w.whole)
	} else if before && !after {
		runtime.GOMAXPROCS(1)
	}
}
