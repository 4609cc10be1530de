package server

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"

	"banger.dev/agent/internal/server/execframe"
	"banger.dev/agent/internal/server/jobs"
	"banger.dev/agent/internal/server/process"
)

// startJob starts a job: POST /jobs, whose body is that of a start frame without a terminal.
func (s *service) startJob(r *http.Request) (any, error) {
	most, err := timeLimit(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, execframe.MaxPayloadBytes+1))
	if err != nil {
		return nil, err
	}
	if len(body) > execframe.MaxPayloadBytes {
		return nil, badRequest("the request is longer than %d bytes", execframe.MaxPayloadBytes)
	}
	var start startFrame
	if err := json.Unmarshal(body, &start); err != nil {
		return nil, badRequest("bad JSON: %v", err)
	}
	if start.Pty != nil {
		return nil, badRequest("a job has no terminal")
	}
	view, err := s.jobs.Start(start.spec(), most)
	return view, jobError(err)
}

func (s *service) listJobs(*http.Request) (any, error) {
	return struct {
		Jobs []jobs.View `json:"jobs"`
	}{s.jobs.List()}, nil
}

func (s *service) endJob(r *http.Request) (any, error) {
	view, err := s.jobs.End(r.Context(), r.URL.Query().Get("job"))
	return view, jobError(err)
}

func (s *service) signalJob(r *http.Request) (any, error) {
	signal, err := process.ParseSignal(r.URL.Query().Get("signal"))
	if err != nil {
		return nil, badRequest("%v", err)
	}
	view, err := s.jobs.Signal(r.URL.Query().Get("job"), signal)
	return view, jobError(err)
}

// readJob sends output of a job as frames: GET /jobs/output.
func (s *service) readJob(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	cursor, err := strconv.ParseInt(query.Get("after"), 10, 64)
	if err != nil {
		sendError(w, badRequest("after %q is not a cursor", query.Get("after")))
		return
	}
	out := newFrameWriter(w)
	defer out.close()
	isBegun := false
	begin := func() {
		if !isBegun {
			isBegun = true
			w.Header()["Content-Type"] = []string{"application/octet-stream"}
		}
	}
	var frame []byte
	view, err := s.jobs.Read(r.Context(), query.Get("job"), cursor, query.Get("follow") == "1", jobs.Reader{
		Position: func(at, dropped int64) error {
			begin()
			return out.write(jsonFrame(execframe.Position, jobPosition{at, dropped}))
		},
		Output: func(kind byte, data []byte) error {
			frame = execframe.Append(frame[:0], kind, data)
			return out.write(frame)
		},
	})
	switch {
	case err != nil && !isBegun:
		sendError(w, jobError(err))
	case err != nil:
		out.fail(process.Failed, err)
	case view.IsRunning:
		out.last(execframe.Pause, struct{}{})
	case view.Exit == nil:
		out.fail(process.Failed, errors.New("how the job ended is not known"))
	default:
		out.last(execframe.Exit, view.Exit)
	}
}

// jobPosition is the payload of a position frame.
type jobPosition struct {
	At      int64 `json:"at"`
	Dropped int64 `json:"dropped"`
}

// jobError maps a failure of the jobs to its HTTP status.
func jobError(err error) error {
	switch {
	case errors.Is(err, jobs.ErrNotFound):
		return &requestError{http.StatusNotFound, err.Error()}
	case errors.Is(err, jobs.ErrFull), errors.Is(err, jobs.ErrEnded):
		return &requestError{http.StatusConflict, err.Error()}
	case errors.Is(err, jobs.ErrCursor):
		return &requestError{http.StatusBadRequest, err.Error()}
	}
	return err
}
