package registry

import (
	"context"
	"io"
	"time"

	"banger.dev/host/internal/oci/fault"
)

// patient reads an answer, and ends the request when nothing comes for a while.
type patient struct {
	from   io.Reader
	timer  *time.Timer
	stall  time.Duration
	ctx    context.Context
	source string
}

// whileItComes returns a context for a request, and a function that wraps its answer. The context ends when
// nothing was read for the time, and with done.
func whileItComes(ctx context.Context, stall time.Duration, source string) (inner context.Context, wrap func(io.Reader) io.Reader, done func()) {
	inner, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(stall, func() { cancel(stalled(source, stall)) })
	wrap = func(from io.Reader) io.Reader { return &patient{from, timer, stall, inner, source} }
	return inner, wrap, func() {
		timer.Stop()
		cancel(nil)
	}
}

func stalled(source string, stall time.Duration) error {
	return fault.New(fault.Unreachable, "Cannot pull from %q: the registry has sent nothing for %s", source, stall)
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
