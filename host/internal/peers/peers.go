// Package peers finds out which user is at the other end of a TCP connection of this host.
package peers

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// maxLineBytes is more than two addresses with ports and some thousand process numbers take.
const maxLineBytes = 16 << 10

// errUnknown means that no program of this host has the connection any more, or that it is not from this
// host.
var errUnknown = errors.New("nobody has this connection")

// owner is whose a socket is.
type owner struct {
	uid   uint32
	inode uint64
}

// lookup returns the owner of the socket at the local end of a connection of this host.
type lookup func(local, remote netip.AddrPort) (owner, error)

// question asks for the peer of a connection, which none of the excluded processes may be.
type question struct {
	local, remote netip.AddrPort
	excluded      []int
}

// Run answers one question after another until in ends. A question is a line with the address and port of
// the peer, those of this side, and the numbers of processes that do not count; the answer is a line with the
// number of the peer's user, or "-".
func Run(in io.Reader, out io.Writer) error {
	find, err := choose()
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, maxLineBytes), maxLineBytes)
	for lines.Scan() {
		if _, err := fmt.Fprintln(out, answer(find, lines.Text())); err != nil {
			return err
		}
	}
	return lines.Err()
}

func answer(find lookup, line string) string {
	asked, ok := parse(line)
	if !ok {
		return "-"
	}
	found, err := find(asked.local, asked.remote)
	if err != nil || !isOutside(found.inode, asked.excluded) {
		return "-"
	}
	return fmt.Sprint(found.uid)
}

func parse(line string) (question, bool) {
	words := strings.Fields(line)
	if len(words) < 2 {
		return question{}, false
	}
	local, localErr := netip.ParseAddrPort(words[0])
	remote, remoteErr := netip.ParseAddrPort(words[1])
	asked := question{local: unmap(local), remote: unmap(remote)}
	for _, word := range words[2:] {
		pid, err := strconv.Atoi(word)
		if err != nil {
			return question{}, false
		}
		asked.excluded = append(asked.excluded, pid)
	}
	return asked, errors.Join(localErr, remoteErr) == nil && asked.local.Addr().Is4() && asked.remote.Addr().Is4()
}

func unmap(address netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(address.Addr().Unmap(), address.Port())
}

// isOutside reports whether none of the processes has the socket. A process whose descriptors cannot be read
// may have it.
func isOutside(inode uint64, pids []int) bool {
	target := fmt.Sprintf("socket:[%d]", inode)
	for _, pid := range pids {
		dir := fmt.Sprintf("/proc/%d/fd", pid)
		fds, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false
		}
		for _, fd := range fds {
			if link, err := os.Readlink(dir + "/" + fd.Name()); err == nil && link == target {
				return false
			}
		}
	}
	return true
}
