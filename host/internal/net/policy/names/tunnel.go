package names

import (
	"strings"
	"sync"
	"time"
)

// A wildcard rule lets a guest choose names, and so send data to the servers of the names. These limits
// leave it some 100 bytes per second. A name that was asked for before is free, because it carries next to
// nothing.
const (
	maxFreeLabelBytes = 50
	maxFreeBytes      = 80
	newNamesBurst     = 100
	newNamesPerSecond = 1
	maxKnownNames     = 1024
)

// Queries of any name are limited too: their times and types could carry data.
const (
	queriesBurst     = 500
	queriesPerSecond = 50
)

// Tunnels limits the data that a guest can send in its queries. It is safe for concurrent use.
type Tunnels struct {
	queries  *Bucket
	newNames *Bucket

	mutex sync.Mutex
	// known has the names that were asked for; previous those from before known was full.
	known, previous map[string]bool
}

// NewTunnels returns limits that nothing has used. now is the clock.
func NewTunnels(now func() time.Time) *Tunnels {
	return &Tunnels{
		queries:  NewBucket(queriesBurst, queriesPerSecond, now),
		newNames: NewBucket(newNamesBurst, newNamesPerSecond, now),
		known:    make(map[string]bool),
	}
}

// Check returns why a query may not be asked, or nothing. free is the part of the name that the guest
// chose: what "*" stands for, or empty when a rule has the whole name.
func (t *Tunnels) Check(name, free string) string {
	if !t.queries.Take() {
		return "it asks for names too often"
	}
	if free == "" {
		return ""
	}
	if len(free) > maxFreeBytes {
		return "the part of the name that \"*\" stands for is too long, as in a DNS tunnel"
	}
	for label := range strings.SplitSeq(free, ".") {
		if len(label) > maxFreeLabelBytes {
			return "a part of the name that \"*\" stands for is too long, as in a DNS tunnel"
		}
	}
	if t.isKnown(name) {
		return ""
	}
	if !t.newNames.Take() {
		return "it asks for too many different names, as in a DNS tunnel"
	}
	t.remember(name)
	return ""
}

func (t *Tunnels) isKnown(name string) bool {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.known[name] || t.previous[name]
}

func (t *Tunnels) remember(name string) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if len(t.known) >= maxKnownNames {
		t.known, t.previous = make(map[string]bool), t.known
	}
	t.known[name] = true
}
