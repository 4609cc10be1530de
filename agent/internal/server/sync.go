package server

import (
	"errors"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"banger.dev/agent/internal/server/programs"
	"banger.dev/agent/internal/server/trim"
)

// maxTrimMs bounds the time for which a host may ask.
const maxTrimMs = 60_000

// synced is the answer to a sync. When ProgramCount is 0, the host may turn the guest off at once.
type synced struct {
	ProgramCount *int   `json:"programCount,omitempty"`
	TrimmedBytes uint64 `json:"trimmedBytes,omitempty"`
}

// sync counts programs before it syncs: if none runs, the sync has written everything. It trims after the
// sync, because a file system frees the blocks of deleted files only once it has written the deletion.
func (s *service) sync(r *http.Request) (any, error) {
	wanted, err := trimOf(r.URL.Query())
	if err != nil {
		return nil, err
	}
	var answer synced
	if count, err := programs.Count("/proc", os.Getpid()); err == nil {
		answer.ProgramCount = &count
	} else {
		s.Log.Printf("count programs: %v", err)
	}
	unix.Sync()
	if wanted != nil && s.Trimmer != nil {
		drives := trim.GuestDrives(wanted.onHost)
		if answer.TrimmedBytes, err = s.Trimmer.Trim(drives, wanted.within); err != nil {
			s.Log.Printf("trim: %v", err)
		}
	}
	return answer, nil
}

// trimRequest is the optional part of a sync: for how long to trim, and how many bytes the drives take on the
// host.
type trimRequest struct {
	within time.Duration
	onHost trim.OnHost
}

func trimOf(query url.Values) (*trimRequest, error) {
	number := func(name string) (*uint64, error) {
		if !query.Has(name) {
			return nil, nil
		}
		value, err := strconv.ParseUint(query.Get(name), 10, 53)
		if err != nil {
			return nil, badRequest("%s=%q is not a number", name, query.Get(name))
		}
		return &value, nil
	}
	ms, err1 := number("trim")
	overlay, err2 := number("overlay")
	work, err3 := number("work")
	base, err4 := number("workBase")
	if err := errors.Join(err1, err2, err3, err4); err != nil || ms == nil {
		return nil, err
	}
	onHost := trim.OnHost{OverlayBytes: overlay, WorkBytes: work}
	if base != nil {
		onHost.WorkBaseBytes = *base
	}
	return &trimRequest{time.Duration(min(*ms, maxTrimMs)) * time.Millisecond, onHost}, nil
}
