package oci

import (
	"encoding/json"
	"io"
	"sync"
	"time"
)

const progressEvery = 200 * time.Millisecond

// lines writes JSON values, one a line.
type lines struct {
	lock    sync.Mutex
	out     *json.Encoder
	newest  time.Time
	isEnded bool
}

func newLines(out io.Writer) *lines {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	return &lines{out: encoder}
}

// progress writes a line with the progress, unless there was one just before.
func (l *lines) progress(state any) {
	l.lock.Lock()
	defer l.lock.Unlock()
	if now := time.Now(); !l.isEnded && now.Sub(l.newest) >= progressEvery {
		l.newest = now
		// Who reads them may have ended; then the standard input ends too.
		_ = l.out.Encode(map[string]any{"progress": state})
	}
}

func (l *lines) last(value any) {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.isEnded = true
	_ = l.out.Encode(value)
}

// pulled is the progress of a pull or an import.
type pulled struct {
	lines *lines
	lock  sync.Mutex
	state struct {
		Layers     int   `json:"layers"`
		LayersDone int   `json:"layersDone"`
		Bytes      int64 `json:"bytes"`
		BytesDone  int64 `json:"bytesDone"`
	}
}

func (p *pulled) Expect(layers int, bytes int64) {
	p.change(func() { p.state.Layers, p.state.Bytes = layers, bytes })
}

func (p *pulled) Got(bytes int64) { p.change(func() { p.state.BytesDone += bytes }) }

func (p *pulled) GotLayer() { p.change(func() { p.state.LayersDone++ }) }

func (p *pulled) change(change func()) {
	p.lock.Lock()
	defer p.lock.Unlock()
	change()
	p.lines.progress(p.state)
}

// unpacked is the progress of making a root file system.
type unpacked struct {
	lines *lines
	lock  sync.Mutex
	state struct {
		Bytes     int64 `json:"bytes"`
		BytesDone int64 `json:"bytesDone"`
	}
}

func (u *unpacked) read(bytes int64) {
	u.lock.Lock()
	defer u.lock.Unlock()
	u.state.BytesDone += bytes
	u.lines.progress(u.state)
}
