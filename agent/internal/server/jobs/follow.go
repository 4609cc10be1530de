package jobs

import "context"

// Reader takes the output of a job, in order. Each method returns an error to end the reading.
type Reader struct {
	// Position says where the output that follows begins, and how many bytes before that were dropped since
	// the cursor, or since the last byte that was read.
	Position func(at, dropped int64) error
	// Output takes output of one kind.
	Output func(kind byte, data []byte) error
}

// Read reads the output of a job from the cursor on: what there is now, however fast the job writes, or with
// isFollowed until the job has ended. It returns the job as it was then.
func (s *Store) Read(ctx context.Context, id string, cursor int64, isFollowed bool, to Reader) (View, error) {
	s.mu.Lock()
	j, err := s.find(id)
	if err == nil && (cursor < 0 || cursor > j.output.next) {
		err = ErrCursor
	}
	var now int64
	if err == nil {
		now = j.output.next
	}
	s.mu.Unlock()
	if err != nil {
		return View{}, err
	}
	stop := context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		j.changed.Broadcast()
	})
	defer stop()
	for isFirst := true; ; isFirst = false {
		found, view := s.next(ctx, j, cursor, isFollowed)
		if err := ctx.Err(); err != nil {
			return View{}, err
		}
		if found.at != cursor || isFirst {
			if err := to.Position(found.at, found.at-cursor); err != nil {
				return View{}, err
			}
		}
		if len(found.data) == 0 {
			if !isFollowed || !view.IsRunning {
				return view, nil
			}
			// All output up to here was dropped, and there will be more.
			cursor = found.at
			continue
		}
		if err := to.Output(found.kind, found.data); err != nil {
			return View{}, err
		}
		cursor = found.end()
		if !isFollowed && view.IsRunning && cursor >= now {
			return view, nil
		}
	}
}

// next returns output at the cursor. If it is followed, it waits until there is some or the job has ended.
func (s *Store) next(ctx context.Context, j *job, cursor int64, isFollowed bool) (segment, View) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for isFollowed && cursor == j.output.next && j.view.IsRunning && ctx.Err() == nil {
		j.changed.Wait()
	}
	return j.output.read(cursor), j.snapshot()
}
