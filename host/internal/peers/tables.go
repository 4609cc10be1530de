package peers

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net/netip"
	"os"
	"strconv"
)

// mapped precedes an IPv4 address in a table of IPv6 sockets, as the tables print it on a little-endian
// machine and on a big-endian one.
var mapped = []string{"0000000000000000FFFF0000", "00000000000000000000FFFF"}

// findInTables looks a connection up in the tables of proc_net(5). A program may connect to an IPv4 address
// with a socket of IPv6.
func findInTables(local, remote netip.AddrPort) (owner, error) {
	for _, name := range []string{"tcp", "tcp6"} {
		table, err := os.Open("/proc/net/" + name)
		if err != nil {
			continue
		}
		found, err := findIn(table, local, remote)
		table.Close()
		if err == nil {
			return found, nil
		}
	}
	return owner{}, errUnknown
}

func findIn(table io.Reader, local, remote netip.AddrPort) (owner, error) {
	lines := bufio.NewScanner(table)
	from, to := field(local), field(remote)
	for lines.Scan() {
		// sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode ...
		fields := bytes.Fields(lines.Bytes())
		if len(fields) < 10 || withoutPrefix(fields[1]) != from || withoutPrefix(fields[2]) != to {
			continue
		}
		// A socket that its program has closed has no inode, and its user is unknown.
		uid, uidErr := strconv.ParseUint(string(fields[7]), 10, 32)
		inode, inodeErr := strconv.ParseUint(string(fields[9]), 10, 64)
		if uidErr != nil || inodeErr != nil || inode == 0 {
			return owner{}, errUnknown
		}
		return owner{uint32(uid), inode}, nil
	}
	return owner{}, errUnknown
}

// field is an address as the tables print it: 32 bits in the machine's byte order, and the port.
func field(address netip.AddrPort) string {
	ip := address.Addr().As4()
	word := make([]byte, 4)
	binary.BigEndian.PutUint32(word, binary.NativeEndian.Uint32(ip[:]))
	port := binary.BigEndian.AppendUint16(nil, address.Port())
	return string(bytes.ToUpper([]byte(hex.EncodeToString(word) + ":" + hex.EncodeToString(port))))
}

func withoutPrefix(address []byte) string {
	text := string(address)
	for _, prefix := range mapped {
		if len(text) == len("00000000:0000")+len(prefix) && text[:len(prefix)] == prefix {
			return text[len(prefix):]
		}
	}
	return text
}
