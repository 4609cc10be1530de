package outside

import (
	"bufio"
	"io"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"
)

// resolvConf names this host's nameservers (resolv.conf(5)).
const resolvConf = "/etc/resolv.conf"

// As many as the C library uses.
const maxNameservers = 3

// maxResolvConf bounds what is read of the file, in bytes.
const maxResolvConf = 64 << 10

// resolver knows the nameservers of this host as they are now: a host that moves to another network, or whose
// VPN comes up, gets others.
type resolver struct {
	path  string
	port  uint16
	mutex sync.Mutex
	read  os.FileInfo
	found []netip.AddrPort
	// the nameserver that answered last
	preferred netip.AddrPort
	looked    time.Time
	hasRoute6 bool
}

func newResolver(path string) *resolver { return &resolver{path: path, port: 53} }

// nameservers returns this host's nameservers, first the one that answered last.
func (r *resolver) nameservers() []netip.AddrPort {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.refresh()
	ordered := make([]netip.AddrPort, 0, len(r.found))
	for _, each := range r.found {
		if each == r.preferred {
			ordered = append([]netip.AddrPort{each}, ordered...)
		} else {
			ordered = append(ordered, each)
		}
	}
	return ordered
}

func (r *resolver) prefer(nameserver netip.AddrPort) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.preferred = nameserver
}

func (r *resolver) refresh() {
	info, err := os.Stat(r.path)
	if err == nil && r.read != nil && os.SameFile(info, r.read) &&
		info.ModTime().Equal(r.read.ModTime()) && info.Size() == r.read.Size() {
		return
	}
	r.found, r.read = nil, nil
	if err == nil {
		if file, err := os.Open(r.path); err == nil {
			r.found, r.read = parseResolvConf(file, r.port), info
			file.Close()
		}
	}
	if len(r.found) == 0 {
		// As the C library: without a nameserver, this host has one of its own.
		r.found = []netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), r.port)}
	}
}

func parseResolvConf(from io.Reader, port uint16) (found []netip.AddrPort) {
	lines := bufio.NewScanner(io.LimitReader(from, maxResolvConf))
	for lines.Scan() && len(found) < maxNameservers {
		words := strings.Fields(lines.Text())
		if len(words) < 2 || words[0] != "nameserver" {
			continue
		}
		if address, err := netip.ParseAddr(words[1]); err == nil {
			found = append(found, netip.AddrPortFrom(address, port))
		}
	}
	return found
}
