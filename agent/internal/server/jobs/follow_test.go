package jobs

import (
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
