package request

import (
	"encoding/json"
	"net/netip"
	"regexp"
	"strings"

	"banger.dev/root/internal/refusal"
)

// Every value of a request has one of the types of this file. Decoding JSON is the only way to make one, so
// that each rule about what the helper may touch is in one place.

const (
	// TapPrefix is how the names of all our taps begin.
	TapPrefix = "bgr-"
	// longest name of a network interface
	maxInterfaceName = 15
	minPrefix        = 8
	maxPrefix        = 32
)

var (
	bridgePattern      = regexp.MustCompile(`^br-fc(-[a-z0-9]{1,9})?$`)
	tapPattern         = regexp.MustCompile(`^` + TapPrefix + `[a-z0-9]{1,11}$`)
	operationIDPattern = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,64}$`)
	privateNetworks    = []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"),
		netip.MustParsePrefix("172.16.0.0/12"),
		netip.MustParsePrefix("192.168.0.0/16"),
	}
)

// Bridge is the name of one of our bridges: `br-fc` or `br-fc-NAME`.
type Bridge string

// UnmarshalJSON reads a name, and refuses any that is not one of our bridges.
func (b *Bridge) UnmarshalJSON(data []byte) error {
	name, err := text(data)
	if err != nil || len(name) > maxInterfaceName || !bridgePattern.MatchString(name) {
		return refusal.New(refusal.BadRequest, `"bridge" must be br-fc, or br-fc- with up to 9 of a-z and 0-9`)
	}
	*b = Bridge(name)
	return nil
}

// Tap is the name of one of our taps: `bgr-NAME`.
type Tap string

// UnmarshalJSON reads a name, and refuses any that is not one of our taps.
func (t *Tap) UnmarshalJSON(data []byte) error {
	name, err := text(data)
	if err != nil || len(name) > maxInterfaceName || !tapPattern.MatchString(name) {
		return refusal.New(refusal.BadRequest, `"tap" must be %s with up to 11 of a-z and 0-9`, TapPrefix)
	}
	*t = Tap(name)
	return nil
}

// Address is a private IPv4 address.
type Address struct{ netip.Addr }

// UnmarshalJSON reads an address, and refuses any that is not private IPv4.
func (a *Address) UnmarshalJSON(data []byte) error {
	given, err := text(data)
	addr, parseErr := netip.ParseAddr(given)
	if err != nil || parseErr != nil || !addr.Is4() || !isPrivate(netip.PrefixFrom(addr, maxPrefix)) {
		return refusal.New(refusal.BadRequest, `"address" must be an IPv4 address in 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16`)
	}
	a.Addr = addr
	return nil
}

// PrefixLength is the length of a subnet's prefix in bits.
type PrefixLength int

// UnmarshalJSON reads a length, and refuses any outside 8 to 32.
func (p *PrefixLength) UnmarshalJSON(data []byte) error {
	var bits int
	if err := json.Unmarshal(data, &bits); err != nil || bits < minPrefix || bits > maxPrefix {
		return refusal.New(refusal.BadRequest, `"prefix" must be a whole number from %d to %d`, minPrefix, maxPrefix)
	}
	*p = PrefixLength(bits)
	return nil
}

// Server is the address of a DNS server on the loopback interface: 53 is the port if the request has none.
type Server struct{ netip.AddrPort }

// UnmarshalJSON reads IP or IP:PORT, and refuses any that is not loopback.
func (s *Server) UnmarshalJSON(data []byte) error {
	refused := refusal.New(refusal.BadRequest, `"server" must be IP or IP:PORT on the loopback interface`)
	given, err := text(data)
	if err != nil {
		return refused
	}
	server, err := netip.ParseAddrPort(given)
	if err != nil {
		addr, err := netip.ParseAddr(given)
		if err != nil {
			return refused
		}
		server = netip.AddrPortFrom(addr, 53)
	}
	if !server.Addr().Is4() || !server.Addr().IsLoopback() || server.Port() == 0 {
		return refused
	}
	s.AddrPort = server
	return nil
}

// OperationID is the caller's name for what it is doing, for the audit log.
type OperationID string

// UnmarshalJSON reads an id, and refuses any that could not be searched for in a log.
func (o *OperationID) UnmarshalJSON(data []byte) error {
	id, err := text(data)
	if err != nil || !operationIDPattern.MatchString(id) {
		return refusal.New(refusal.BadRequest, `"operation_id" must be up to 64 of A-Z, a-z, 0-9, _ . : -`)
	}
	*o = OperationID(id)
	return nil
}

// Subnet returns the bridge's subnet, if all of it is private.
func subnet(gateway Address, bits PrefixLength) (netip.Prefix, error) {
	prefix := netip.PrefixFrom(gateway.Addr, int(bits))
	if !isPrivate(prefix) {
		return prefix, refusal.New(refusal.BadRequest, `"prefix" must keep the whole subnet in 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16`)
	}
	return prefix, nil
}

func isPrivate(prefix netip.Prefix) bool {
	for _, network := range privateNetworks {
		if network.Bits() <= prefix.Bits() && network.Contains(prefix.Addr()) {
			return true
		}
	}
	return false
}

// text decodes a JSON string. JSON's null is none, and nor is one with a NUL.
func text(data []byte) (string, error) {
	var value *string
	if err := json.Unmarshal(data, &value); err != nil {
		return "", err
	}
	if value == nil || strings.ContainsRune(*value, 0) {
		return "", refusal.New(refusal.BadRequest, "not a text")
	}
	return *value, nil
}
