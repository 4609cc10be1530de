// Package procnet finds the ports on which something in the guest listens, and the processes that do.
package procnet

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strconv"
)

// Socket is one listening socket.
type Socket struct {
	Proto string
	Addr  netip.AddrPort
	Inode uint64
}

// States from include/net/tcp_states.h, as the tables print them. An unconnected UDP socket is in the state
// "close".
const (
	tcpListen = "0A"
	udpClose  = "07"
)

// Parse parses a table of proc_net(5) (tcp, tcp6, udp or udp6) and returns the sockets that listen. proto is
// "tcp" or "udp". It skips malformed lines.
func Parse(table []byte, proto string) []Socket {
	state := tcpListen
	if proto == "udp" {
		state = udpClose
	}
	var sockets []Socket
	for line := range bytes.Lines(table) {
		// sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode ...
		fields := bytes.Fields(line)
		if len(fields) < 10 || string(fields[3]) != state {
			continue
		}
		local, ok := parseAddr(fields[1])
		if !ok || local.Port() == 0 {
			continue
		}
		if remote, ok := parseAddr(fields[2]); !ok || remote.Port() != 0 {
			continue
		}
		inode, err := strconv.ParseUint(string(fields[9]), 10, 64)
		if err != nil {
			continue
		}
		sockets = append(sockets, Socket{Proto: proto, Addr: local, Inode: inode})
	}
	return sockets
}

// parseAddr parses "0100007F:1F90": the address as 32-bit words in the machine's byte order, the port as a
// number.
func parseAddr(field []byte) (netip.AddrPort, bool) {
	address, port, found := bytes.Cut(field, []byte(":"))
	if !found || len(address) != 8 && len(address) != 32 {
		return netip.AddrPort{}, false
	}
	raw := make([]byte, len(address)/2)
	if _, err := hex.Decode(raw, address); err != nil {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	addr, _ := netip.AddrFromSlice(raw)
	number, err := strconv.ParseUint(string(port), 16, 16)
	if err != nil {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(number)), true
}
