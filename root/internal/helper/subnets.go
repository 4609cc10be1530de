package helper

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"strings"

	"banger.dev/root/internal/refusal"
)

// SubnetsFile is where root says in which networks the subnets of bridges may be. Without it, they may be in
// all private ones.
const SubnetsFile = "/etc/banger/subnets"

const maxSubnetsBytes = 64 << 10

// refuseSubnet returns an error unless root allows this subnet. A file that cannot be read allows none.
func refuseSubnet(file string, subnet netip.Prefix) error {
	content, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return refusal.New(refusal.Unavailable, "cannot read %s, which says what subnets are allowed: %v", file, err)
	}
	defer content.Close()
	allowed, err := readSubnets(content)
	if err != nil {
		return refusal.New(refusal.Unavailable, "cannot read %s, which says what subnets are allowed: %v", file, err)
	}
	for _, network := range allowed {
		if network.Bits() <= subnet.Bits() && network.Contains(subnet.Addr()) {
			return nil
		}
	}
	return refusal.New(refusal.Conflict, "the subnet %v is in no network that %s allows", subnet.Masked(), file)
}

// readSubnets reads one network a line; empty lines and those that begin with # are left out.
func readSubnets(from io.Reader) ([]netip.Prefix, error) {
	var found []netip.Prefix
	lines := bufio.NewScanner(io.LimitReader(from, maxSubnetsBytes))
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		network, err := netip.ParsePrefix(line)
		if err != nil {
			return nil, err
		}
		found = append(found, network.Masked())
	}
	return found, lines.Err()
}
