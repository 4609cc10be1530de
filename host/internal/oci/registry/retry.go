package registry

import (
	"context"
	"errors"
	"time"

	"banger.dev/host/internal/oci/fault"
)

const (
	maxTries   = 4
	maxBackoff = 8 * time.Second
	// muchBytes is progress that makes a cut connection count as the first failure again.
	muchBytes = 1 << 20
)

// retry calls try until it succeeds, until its error is final, or until it has failed maxTries times without
// progress. try returns how many bytes it got.
func (p *Puller) retry(ctx context.Context, try func(number int) (int64, error)) error {
	failures := 0
	for number := 0; ; number++ {
		got, err := try(number)
		if err == nil || ctx.Err() != nil {
			return err
		}
		var known *fault.Error
		if !errors.As(err, &known) || known.IsFinal {
			return err
		}
		if got >= muchBytes {
			failures = 0
		}
		if failures++; failures >= maxTries {
			return err
		}
		select {
		case <-time.After(min(p.Backoff<<(failures-1), maxBackoff)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
