package main

import (
	"fmt"
	"sync/atomic"
	"time"
)

const churnPages = 4096

// memory is the state of a guest that is on no drive.
type memory struct {
	text string
	// pages are written repeatedly in order, each with the number of the round: at any moment, the pages of
	// this round come first.
	pages    [][]uint64
	stopping atomic.Bool
	done     chan struct{}
	rounds   uint64
	lost     atomic.Pointer[error]
}

var theMemory memory

// churn starts to write pages, as fast as possible and until settle. It does nothing if it already runs,
// because a host that gets no answer in time repeats its request.
func (m *memory) churn() {
	if m.done != nil && !m.stopping.Load() {
		return
	}
	m.pages = make([][]uint64, churnPages)
	for i := range m.pages {
		m.pages[i] = make([]uint64, pageSize/8)
	}
	m.done = make(chan struct{})
	m.stopping.Store(false)
	go func() {
		defer close(m.done)
		for round := uint64(1); !m.stopping.Load(); round++ {
			for i, page := range m.pages {
				// A page whose last write was lost in a copy of this guest is still of an earlier round.
				if first, last := page[0], page[len(page)-1]; first != round-1 || last != round-1 {
					lost := fmt.Errorf("page %d is of rounds %d and %d in round %d", i, first, last, round)
					m.lost.CompareAndSwap(nil, &lost)
				}
				page[0], page[len(page)-1] = round, round
			}
			m.rounds = round
			// Other programs get the processor sometimes; the pages stay in its translation cache.
			if round%64 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
	}()
}

// settle stops the writing and reports whether no write was ever lost.
func (m *memory) settle() (string, error) {
	m.stopping.Store(true)
	<-m.done
	if lost := m.lost.Load(); lost != nil {
		return "", *lost
	}
	return fmt.Sprintf("whole after %d rounds", m.rounds), nil
}
