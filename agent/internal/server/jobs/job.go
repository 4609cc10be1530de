package jobs

import (
	"errors"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"banger.dev/agent/internal/server/execframe"
	"banger.dev/agent/internal/server/process"
)

const (
	// lingerQuiet and lingerMost are how long the agent waits for more output after the command of a job has
	// ended, when something that it left behind still holds the output open: since the last byte, and in all.
	lingerQuiet = 200 * time.Millisecond
	lingerMost  = 5 * time.Second
	// commandBytes is how much of a command line a View has.
	commandBytes = 1 << 10
)

// Exit is how a job ended, as in an exit frame: with a code, or by a signal.
type Exit struct {
	Code     *int   `json:"code,omitempty"`
	TimedOut bool   `json:"timedOut,omitempty"`
	Signal   string `json:"signal,omitempty"`
	Number   int    `json:"number,omitempty"`
}

// View describes a job. Times are milliseconds since 1970, of the guest's clock.
type View struct {
	ID      string   `json:"id"`
	Command []string `json:"command"`
	// IsCut: the command is longer than what Command has of it.
	IsCut     bool   `json:"isCut,omitempty"`
	User      string `json:"user,omitempty"`
	PID       int    `json:"pid"`
	IsRunning bool   `json:"isRunning"`
	StartedMs int64  `json:"startedMs"`
	EndedMs   int64  `json:"endedMs,omitempty"`
	TimeoutMs int64  `json:"timeoutMs,omitempty"`
	// Exit is absent while the job runs, and when the agent could not find out how it ended.
	Exit *Exit `json:"exit,omitempty"`
	// First and Next are the positions of the oldest byte that is kept, and of the one that comes next.
	First int64 `json:"first"`
	Next  int64 `json:"next"`
}

type job struct {
	*process.Process
	store  *Store
	view   View
	output log
	// changed is signalled, under the store's lock, when there is more output or the job has ended.
	changed *sync.Cond
	ended   chan struct{}
	// lingerUntil is set once the command has ended.
	lingerUntil atomic.Pointer[time.Time]
}

// run collects the output of the job until its end.
func (j *job) run(limit *process.Limit) {
	var pumps sync.WaitGroup
	pumps.Go(func() { j.pump(execframe.Stdout, j.Stdout) })
	pumps.Go(func() { j.pump(execframe.Stderr, j.Stderr) })
	status, err := j.Wait()
	until := time.Now().Add(lingerMost)
	j.lingerUntil.Store(&until)
	for _, file := range []*os.File{j.Stdout, j.Stderr} {
		file.SetReadDeadline(j.deadline())
	}
	isTimedOut := limit.Over()
	pumps.Wait()
	j.Stdout.Close()
	j.Stderr.Close()
	var exit *Exit
	switch {
	case isTimedOut:
		exit = &Exit{Code: ptr(TimedOutCode), TimedOut: true}
	case err != nil:
	case status.Signal != 0:
		exit = &Exit{Signal: process.SignalName(status.Signal), Number: int(status.Signal)}
	default:
		exit = &Exit{Code: &status.Code}
	}
	j.store.mu.Lock()
	defer j.store.mu.Unlock()
	j.view.IsRunning, j.view.EndedMs, j.view.Exit = false, time.Now().UnixMilli(), exit
	close(j.ended)
	j.changed.Broadcast()
}

// deadline is until when output is waited for, once the command has ended.
func (j *job) deadline() time.Time {
	until := *j.lingerUntil.Load()
	if quiet := time.Now().Add(lingerQuiet); quiet.Before(until) {
		return quiet
	}
	return until
}

// pump keeps one output. It never waits for a reader: the oldest output is dropped instead.
func (j *job) pump(kind byte, from *os.File) {
	buffer := make([]byte, segmentBytes)
	for {
		if until := j.lingerUntil.Load(); until != nil {
			if time.Now().After(*until) {
				return
			}
			from.SetReadDeadline(j.deadline())
		}
		n, err := from.Read(buffer)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			// On a busy host, this goroutine may not have run before its deadline.
			n, err = process.ReadWhatIsThere(from, buffer)
		}
		if n > 0 {
			j.store.add(j, kind, buffer[:n])
		}
		if err != nil {
			return
		}
	}
}

// shortened returns the beginning of a command line, as text.
func shortened(argv []string) (command []string, isCut bool) {
	left := commandBytes
	for _, word := range argv {
		if left < 1 {
			return command, true
		}
		if len(word) > left {
			word, isCut = word[:left], true
		}
		left -= len(word) + 1
		command = append(command, strings.ToValidUTF8(word, "\uFFFD"))
	}
	return command, isCut
}

func ptr[T any](value T) *T { return &value }
