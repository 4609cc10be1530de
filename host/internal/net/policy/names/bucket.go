package names

import (
	"sync"
	"time"
)

// Bucket limits how often something may happen: burst times at once, and then perSecond. It is safe for
// concurrent use.
type Bucket struct {
	mutex     sync.Mutex
	now       func() time.Time
	burst     float64
	perSecond float64
	left      float64
	last      time.Time
}

// NewBucket returns a full bucket. now is the clock.
func NewBucket(burst, perSecond float64, now func() time.Time) *Bucket {
	return &Bucket{now: now, burst: burst, perSecond: perSecond, left: burst, last: now()}
}

// Take reports whether it may happen once more, and counts it if so.
func (b *Bucket) Take() bool {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	now := b.now()
	b.left = min(b.burst, b.left+max(0, now.Sub(b.last).Seconds())*b.perSecond)
	b.last = now
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}
