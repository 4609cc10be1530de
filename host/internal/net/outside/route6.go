package outside

import (
	"net"
	"time"
)

// routeFor is how long it is believed that this host has a route for IPv6, or none.
const routeFor = 5 * time.Second

// somewhere6 is an address outside; nothing is sent there.
const somewhere6 = "[2000::1]:53"

// offers6 reports whether this host has a route to the IPv6 Internet.
func (r *resolver) offers6() bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if time.Since(r.looked) < routeFor {
		return r.hasRoute6
	}
	connection, err := net.Dial("udp6", somewhere6)
	if err == nil {
		connection.Close()
	}
	r.looked, r.hasRoute6 = time.Now(), err == nil
	return r.hasRoute6
}
