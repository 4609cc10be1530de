// Package learn finds the rules for what a guest has used.
package learn

import (
	"net/netip"
	"sync"

	"banger.dev/host/internal/net/policy/rule"
)

// maxUses bounds how many different destinations are remembered.
const maxUses = 4096

// Use is a destination of a guest.
type Use struct {
	Protocol rule.Protocol
	// Name is empty when the guest used an address that no name led to.
	Name    string
	Address netip.Addr
	Port    uint16
}

// Recorder remembers destinations. It is safe for concurrent use.
type Recorder struct {
	mutex sync.Mutex
	uses  map[Use]int
	// missed counts what found no room.
	missed int
}

// NewRecorder returns an empty recorder.
func NewRecorder() *Recorder { return &Recorder{uses: make(map[Use]int)} }

// Add remembers that a guest used a destination.
func (r *Recorder) Add(use Use) {
	if use.Name != "" {
		use.Address = netip.Addr{}
	}
	use.Address = use.Address.Unmap()
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if _, isKnown := r.uses[use]; !isKnown && len(r.uses) >= maxUses {
		r.missed++
		return
	}
	r.uses[use]++
}

// Uses returns what was used and how often, and how many uses found no room.
func (r *Recorder) Uses() (map[Use]int, int) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	uses := make(map[Use]int, len(r.uses))
	for use, count := range r.uses {
		uses[use] = count
	}
	return uses, r.missed
}
