// Package peers finds out which user is at the other end of a TCP connection of this host.
package peers

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
)

// maxLineBytes is more than two addresses with ports take.
const maxLineBytes = 256

// errUnknown means that no program of this host has the connection any more, or that it is not from this
// host.
var errUnknown = errors.New("nobody has this connection")

// lookup returns the user of the socket at the local end of a connection of this host.
type lookup func(local, remote netip.AddrPort) (uint32, error)

// Run answers one question after another until in ends. A question is a line with the address and port of
// the peer and of this side; the answer is a line with the number of the peer's user, or "-".
func Run(in io.Reader, out io.Writer) error {
	find, err := choose()
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, maxLineBytes), maxLineBytes)
	for lines.Scan() {
		answer := "-"
		if local, remote, ok := parse(lines.Text()); ok {
			if uid, err := find(local, remote); err == nil {
				answer = fmt.Sprint(uid)
			}
		}
		if _, err := fmt.Fprintln(out, answer); err != nil {
			return err
		}
	}
	return lines.Err()
}

func parse(line string) (local, remote netip.AddrPort, ok bool) {
	first, second, _ := strings.Cut(line, " ")
	local, err := netip.ParseAddrPort(first)
	if err != nil {
		return local, remote, false
	}
	remote, err = netip.ParseAddrPort(second)
	local = netip.AddrPortFrom(local.Addr().Unmap(), local.Port())
	remote = netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port())
	return local, remote, err == nil && local.Addr().Is4() && remote.Addr().Is4()
}
