// Package names has what a guest learned from DNS, and how much it may ask.
package names

import (
	"container/list"
	"net/netip"
	"sync"
	"time"
)

// How long a pin lasts: as long as the answer says, within these limits. The floor keeps answers usable for
// programs that resolve a name once and connect somewhat later.
const (
	PinFloor = 5 * time.Minute
	PinCap   = 24 * time.Hour
)

// maxPins bounds the table. The oldest pins make room for new ones.
const maxPins = 4096

// maxNamesPerAddress bounds the names of one address.
const maxNamesPerAddress = 32

// pin says that DNS answered name with address.
type pin struct {
	name    string
	address netip.Addr
	expires time.Time
}

// Pins remember which names led a guest to which addresses. They are safe for concurrent use.
type Pins struct {
	mutex     sync.Mutex
	now       func() time.Time
	byAddress map[netip.Addr][]*list.Element
	// order has the pins that were made or renewed longest ago at its front.
	order *list.List
}

// NewPins returns an empty table. now is the clock.
func NewPins(now func() time.Time) *Pins {
	return &Pins{now: now, byAddress: make(map[netip.Addr][]*list.Element), order: list.New()}
}

// Add pins name to address for about ttl.
func (p *Pins) Add(name string, address netip.Addr, ttl time.Duration) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	address = address.Unmap()
	expires := p.now().Add(min(max(ttl, PinFloor), PinCap))
	elements := p.byAddress[address]
	for _, element := range elements {
		if known := element.Value.(*pin); known.name == name {
			if expires.After(known.expires) {
				known.expires = expires
			}
			p.order.MoveToBack(element)
			return
		}
	}
	if len(elements) >= maxNamesPerAddress {
		p.remove(oldest(elements))
	}
	if p.order.Len() >= maxPins {
		p.remove(p.order.Front())
	}
	element := p.order.PushBack(&pin{name: name, address: address, expires: expires})
	p.byAddress[address] = append(p.byAddress[address], element)
}

// Of returns the names that lead to address now, the oldest first.
func (p *Pins) Of(address netip.Addr) []string {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	now := p.now()
	var names []string
	for _, element := range append([]*list.Element(nil), p.byAddress[address.Unmap()]...) {
		if known := element.Value.(*pin); known.expires.After(now) {
			names = append(names, known.name)
		} else {
			p.remove(element)
		}
	}
	return names
}

// Len returns how many pins there are.
func (p *Pins) Len() int {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.order.Len()
}

func oldest(elements []*list.Element) *list.Element {
	first := elements[0]
	for _, element := range elements[1:] {
		if element.Value.(*pin).expires.Before(first.Value.(*pin).expires) {
			first = element
		}
	}
	return first
}

func (p *Pins) remove(element *list.Element) {
	gone := p.order.Remove(element).(*pin)
	elements := p.byAddress[gone.address]
	for at, other := range elements {
		if other == element {
			elements = append(elements[:at], elements[at+1:]...)
			break
		}
	}
	if len(elements) == 0 {
		delete(p.byAddress, gone.address)
		return
	}
	p.byAddress[gone.address] = elements
}
