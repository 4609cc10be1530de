package registry

import (
	"context"
	"io"
	"time"

	"banger.dev/host/internal/oci/fault"
)

// patient reads an answer, and ends the request when nothing comes for a while.
type patient struct {
	from  io.Reader
	timer *time.Timer
	stall time.Duration
	ctx   context.Context
}

// whileItComes returns a context for a request, and a function that wraps its answer. The context ends when
// nothing was read for the time, and with done.
func whileItComes(ctx context.Context, stall time.Duration, from *source) (inner context.Context, wrap func(io.Reader) io.Reader, done func()) {
	inner, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(stall, func() { cancel(from.stalled(stall)) })
	wrap = func(from io.Reader) io.Reader { return &patient{from, timer, stall, inner} }
	return inner, wrap, func() {
		timer.Stop()
		cancel(nil)
	}
}

func (s *source) stalled(stall time.Duration) error {
	return fault.New(fault.Unreachable, "Cannot %s %q: nothing has come or gone for %s", s.doing, s.repository.Name(), stall)
}

func (p *patient) Read(b []byte) (int, error) {
	n, err := p.from.Read(b)
	if n > 0 {
		p.timer.Reset(p.stall)
	}
	if err != nil && err != io.EOF && p.ctx.Err() != nil {
		return n, context.Cause(p.ctx)
	}
	return n, err
}
