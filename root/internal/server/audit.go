package server

import (
	"io"
	"log/slog"
	"time"

	"banger.dev/root/internal/refusal"
	"banger.dev/root/internal/request"
)

// Audit writes one line of JSON for each call, whatever comes of it. Its text has nothing of a request that
// was not checked before.
type Audit struct{ log *slog.Logger }

// Entry is one call.
type Entry struct {
	Caller   Caller
	Request  request.Request
	Duration time.Duration
}

// NewAudit returns an audit log that goes to `to`.
func NewAudit(to io.Writer) *Audit {
	return &Audit{slog.New(slog.NewJSONHandler(to, nil))}
}

// Write adds a call, which ended with `err`.
func (a *Audit) Write(entry Entry, err error) {
	values := []any{
		"operation", entry.Request.Name,
		"operation_id", string(entry.Request.OperationID),
		"uid", entry.Caller.UID,
		"pid", entry.Caller.PID,
		"duration_ms", entry.Duration.Milliseconds(),
	}
	if entry.Request.Operation != nil {
		values = append(values, "params", entry.Request.Operation)
	}
	if err == nil {
		a.log.Info("helper call completed", values...)
		return
	}
	known := refusal.Of(err)
	a.log.Warn("helper call failed", append(values, "code", known.Code, "error", known.Message)...)
}
