// Package jobs runs commands that no host is connected to: jobs. They outlive the host that started them, and
// the agent keeps the newest part of their output for whoever asks.
package jobs

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"banger.dev/agent/internal/server/process"
)

const (
	// MaxJobs is how many jobs are kept. A new one takes the place of the oldest that has ended.
	MaxJobs = 64
	// logBytes is the most memory for the output of one job, and allLogsBytes for that of all: then the longest
	// log loses its oldest output.
	logBytes     = 4 << 20
	allLogsBytes = 32 << 20
	// TimedOutCode is the exit code of a command whose time limit has passed, as with timeout(1).
	TimedOutCode = 124
	idBytes      = 4
)

var (
	// ErrNotFound: there is no such job, or it was forgotten for a newer one.
	ErrNotFound = errors.New("no such job")
	// ErrFull: all jobs that are kept are running.
	ErrFull = fmt.Errorf("%d jobs are running already, which is the most", MaxJobs)
	// ErrEnded: the job does not run any more.
	ErrEnded = errors.New("the job has ended")
	// ErrCursor: the cursor is behind the end of the output.
	ErrCursor = errors.New("the cursor is not one of this job")
)

// Store has the jobs of this guest, oldest first. The zero value has none.
type Store struct {
	mu   sync.Mutex
	jobs []*job
}

// Start starts a job, without input. It fails with a *process.StartError or ErrFull.
func (s *Store) Start(spec process.Spec, most time.Duration) (View, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.makeRoom(); err != nil {
		return View{}, err
	}
	p, err := process.Start(spec)
	if err != nil {
		return View{}, err
	}
	p.Stdin.Close()
	command, isCut := shortened(spec.Argv)
	j := &job{Process: p, store: s, changed: sync.NewCond(&s.mu), ended: make(chan struct{}), view: View{
		ID: s.newID(), Command: command, IsCut: isCut, User: spec.User, PID: p.PID, IsRunning: true,
		StartedMs: time.Now().UnixMilli(), TimeoutMs: most.Milliseconds(),
	}}
	s.jobs = append(s.jobs, j)
	go j.run(p.LimitTo(most, func() {}))
	return j.snapshot(), nil
}

// makeRoom is called with mu held.
func (s *Store) makeRoom() error {
	if len(s.jobs) < MaxJobs {
		return nil
	}
	oldest := slices.IndexFunc(s.jobs, func(j *job) bool { return !j.view.IsRunning })
	if oldest < 0 {
		return ErrFull
	}
	s.jobs = slices.Delete(s.jobs, oldest, oldest+1)
	return nil
}

// newID is called with mu held.
func (s *Store) newID() string {
	for {
		var random [idBytes]byte
		_, _ = rand.Read(random[:])
		id := hex.EncodeToString(random[:])
		if !slices.ContainsFunc(s.jobs, func(j *job) bool { return j.view.ID == id }) {
			return id
		}
	}
}

// snapshot is called with mu held.
func (j *job) snapshot() View {
	view := j.view
	view.First, view.Next = j.output.first(), j.output.next
	return view
}

// List returns all jobs, oldest first.
func (s *Store) List() []View {
	s.mu.Lock()
	defer s.mu.Unlock()
	views := make([]View, 0, len(s.jobs))
	for _, j := range s.jobs {
		views = append(views, j.snapshot())
	}
	return views
}

// find returns the job with this id, or the only one whose id begins with it. mu is held.
func (s *Store) find(id string) (*job, error) {
	var found []*job
	for _, j := range s.jobs {
		if j.view.ID == id {
			return j, nil
		}
		if id != "" && strings.HasPrefix(j.view.ID, id) {
			found = append(found, j)
		}
	}
	switch len(found) {
	case 0:
		return nil, ErrNotFound
	case 1:
		return found[0], nil
	}
	return nil, fmt.Errorf("%w: %d jobs have ids that begin with %q", ErrNotFound, len(found), id)
}

// running returns a job that has not ended.
func (s *Store) running(id string) (*job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, err := s.find(id)
	if err == nil && !j.view.IsRunning {
		err = ErrEnded
	}
	return j, err
}

// Signal sends a signal to the process group of a running job.
func (s *Store) Signal(id string, signal syscall.Signal) (View, error) {
	j, err := s.running(id)
	if err != nil {
		return View{}, err
	}
	if err := j.Process.Signal(signal); err != nil {
		return View{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return j.snapshot(), nil
}

// End ends a running job with all its descendants, and returns when it has ended.
func (s *Store) End(ctx context.Context, id string) (View, error) {
	j, err := s.running(id)
	if err != nil {
		return View{}, err
	}
	j.EndTree(process.LimitGrace)
	select {
	case <-j.ended:
	case <-ctx.Done():
		return View{}, ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return j.snapshot(), nil
}

// add keeps output of a job, and drops the oldest of what is too much.
func (s *Store) add(j *job, kind byte, p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j.output.add(kind, p)
	for j.output.cost > logBytes {
		j.output.drop()
	}
	all := 0
	for _, one := range s.jobs {
		all += one.output.cost
	}
	for all > allLogsBytes {
		longest := slices.MaxFunc(s.jobs, func(a, b *job) int { return a.output.cost - b.output.cost })
		before := longest.output.cost
		longest.output.drop()
		all -= before - longest.output.cost
	}
	j.changed.Broadcast()
}
