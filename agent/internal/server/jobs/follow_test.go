package jobs

import (
	"errors"
	"sync"
	"testing"
)

func TestAReaderWhoseOutputWasAllDroppedGoesOnFollowing(t *testing.T) {
	s := &Store{}
	j := &job{store: s, changed: sync.NewCond(&s.mu), view: View{ID: "ab", IsRunning: true}}
	s.jobs = []*job{j}
	j.output.add(17, []byte("lost"))
	for j.output.drop() {
	}
	var got string
	var at, dropped int64
	view, err := s.Read(t.Context(), "ab", 1, true, Reader{
		Position: func(a, d int64) error {
			at, dropped = a, dropped+d
			go func() {
				s.add(j, 17, []byte("more"))
				s.mu.Lock()
				defer s.mu.Unlock()
				j.view.IsRunning = false
				j.changed.Broadcast()
			}()
			return nil
		},
		Output: func(_ byte, data []byte) error {
			got += string(data)
			return nil
		},
	})
	if err != nil || view.IsRunning || got != "more" || at != 4 || dropped != 3 {
		t.Errorf("got %q at %d, %d dropped, %+v, %v", got, at, dropped, view, err)
	}
}

func TestAJobThatWritesAllTheTimeIsReadUpToNow(t *testing.T) {
	s := &Store{}
	j := &job{store: s, changed: sync.NewCond(&s.mu), view: View{ID: "ab", IsRunning: true}}
	s.jobs = []*job{j}
	s.add(j, 17, []byte("one"))
	s.add(j, 18, []byte("two"))
	read := func(cursor int64, more string) (got string) {
		view, err := s.Read(t.Context(), "ab", cursor, false, Reader{
			Position: func(int64, int64) error { return nil },
			Output: func(kind byte, data []byte) error {
				if got += string(data); len(got) > 1000 {
					return errors.New("it goes on and on")
				}
				s.add(j, 35-kind, []byte(more))
				return nil
			},
		})
		if err != nil || view.ID != "ab" {
			t.Errorf("%+v, %v", view, err)
		}
		return got
	}
	if got := read(0, "more"); got != "onetwomore" {
		t.Errorf("%q", got)
	}
	// One that has ended says how only after all of its output.
	j.view.IsRunning = false
	if got := read(10, ""); got != "more" {
		t.Errorf("%q", got)
	}
}
