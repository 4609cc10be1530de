package gate

import "net/netip"

// metadata are addresses at which clouds serve credentials of the host to any of its programs.
var metadata = []netip.Prefix{
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("fd00:ec2::/32"),
}

// never are ranges that lead to this host, to all hosts of a network, or nowhere.
var never = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("224.0.0.0/3"),
	netip.MustParsePrefix("::/128"),
	netip.MustParsePrefix("::1/128"),
	netip.MustParsePrefix("fe80::/10"),
	netip.MustParsePrefix("ff00::/8"),
}

// embedding are IPv6 ranges with an IPv4 address in them, and where in the 16 bytes it begins.
var embedding = map[netip.Prefix]int{
	netip.MustParsePrefix("::/96"):        12,
	netip.MustParsePrefix("64:ff9b::/96"): 12,
	netip.MustParsePrefix("2002::/16"):    2,
}

// Floor returns why no gate may let a guest reach an address, or "" when a gate decides.
func Floor(address netip.Addr) string {
	if !address.IsValid() {
		return "it is no address"
	}
	if address.Zone() != "" {
		return "it is an address of one network interface of this host"
	}
	return within(address, never, "it leads to this host itself, or to many hosts")
}

// Credentials returns why a gate lets a guest reach an address only if a rule names that address, or "".
func Credentials(address netip.Addr) string {
	return within(address, metadata, "it is an address of a link, at which clouds serve the host's credentials")
}

// within returns why when an address, or the IPv4 address in it, is in one of the ranges.
func within(address netip.Addr, ranges []netip.Prefix, why string) string {
	address = address.Unmap()
	for _, prefix := range ranges {
		if prefix.Contains(address) {
			return why
		}
	}
	if address.Is6() {
		bytes := address.As16()
		for prefix, at := range embedding {
			if prefix.Contains(address) {
				return within(netip.AddrFrom4([4]byte(bytes[at:at+4])), ranges, why)
			}
		}
	}
	return ""
}
