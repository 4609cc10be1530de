package peers

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A question of sock_diag(7) is a header, struct inet_diag_req_v2 and, in it, struct inet_diag_sockid; its
// answer is a header and struct inet_diag_msg.
const (
	headerBytes   = 16
	requestBytes  = headerBytes + 8 + 48
	answerBytes   = headerBytes + 4 + 48 + 20
	stateOffset   = headerBytes + 1
	dportOffset   = headerBytes + 4 + 2
	uidOffset     = headerBytes + 4 + 48 + 12
	inodeOffset   = headerBytes + 4 + 48 + 16
	listenState   = 10
	noCookie      = 0xffffffff
	answerTimeout = time.Second
)

// choose returns the lookup by sock_diag, whose cost does not depend on how many connections the host has,
// or, where the kernel lacks that, the one by /proc/net/tcp.
func choose() (lookup, error) {
	diag, err := openDiag()
	if err != nil {
		return findInTables, nil
	}
	local, remote, done, err := ownConnection()
	if err != nil {
		return nil, err
	}
	defer done()
	if found, err := diag.find(local, remote); err != nil || found.uid != uint32(os.Getuid()) {
		unix.Close(diag.fd)
		return findInTables, nil
	}
	return diag.find, nil
}

// ownConnection opens a connection of this program with itself.
func ownConnection() (local, remote netip.AddrPort, done func(), err error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return local, remote, nil, err
	}
	conn, err := net.Dial("tcp4", listener.Addr().String())
	if err != nil {
		listener.Close()
		return local, remote, nil, err
	}
	local = conn.LocalAddr().(*net.TCPAddr).AddrPort()
	remote = conn.RemoteAddr().(*net.TCPAddr).AddrPort()
	return local, remote, func() { conn.Close(); listener.Close() }, nil
}

type diag struct {
	fd       int
	sequence uint32
}

func openDiag() (*diag, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, err
	}
	limit := unix.NsecToTimeval(answerTimeout.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &diag{fd: fd}, nil
}

func (d *diag) find(local, remote netip.AddrPort) (owner, error) {
	d.sequence++
	if err := unix.Sendto(d.fd, request(d.sequence, local, remote), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return owner{}, err
	}
	answer := make([]byte, 4096)
	for {
		n, _, err := unix.Recvfrom(d.fd, answer, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return owner{}, err
		}
		// An answer to an earlier question may arrive after that question was given up.
		if n < headerBytes || binary.NativeEndian.Uint32(answer[8:]) != d.sequence {
			continue
		}
		return ownerIn(answer[:n], remote.Port())
	}
}

func request(sequence uint32, local, remote netip.AddrPort) []byte {
	b := make([]byte, requestBytes)
	binary.NativeEndian.PutUint32(b[0:], requestBytes)
	binary.NativeEndian.PutUint16(b[4:], unix.SOCK_DIAG_BY_FAMILY)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST)
	binary.NativeEndian.PutUint32(b[8:], sequence)
	body := b[headerBytes:]
	body[0], body[1] = unix.AF_INET, unix.IPPROTO_TCP
	// All states.
	binary.NativeEndian.PutUint32(body[4:], 0xffffffff)
	id := body[8:]
	binary.BigEndian.PutUint16(id[0:], local.Port())
	binary.BigEndian.PutUint16(id[2:], remote.Port())
	from, to := local.Addr().As4(), remote.Addr().As4()
	copy(id[4:], from[:])
	copy(id[20:], to[:])
	binary.NativeEndian.PutUint32(id[40:], noCookie)
	binary.NativeEndian.PutUint32(id[44:], noCookie)
	return b
}

// ownerIn reads the owner from an answer. Where the connection is gone, the kernel answers with a listener at
// that address. A socket that its program has closed has no inode, and its user is unknown; the kernel says
// root.
func ownerIn(answer []byte, remotePort uint16) (owner, error) {
	if binary.NativeEndian.Uint16(answer[4:]) != unix.SOCK_DIAG_BY_FAMILY || len(answer) < answerBytes {
		return owner{}, errUnknown
	}
	isOther := answer[stateOffset] == listenState || binary.BigEndian.Uint16(answer[dportOffset:]) != remotePort
	inode := uint64(binary.NativeEndian.Uint32(answer[inodeOffset:]))
	if isOther || inode == 0 {
		return owner{}, errUnknown
	}
	return owner{binary.NativeEndian.Uint32(answer[uidOffset:]), inode}, nil
}
