package nic

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// conn is an rtnetlink(7) connection for one request at a time.
type conn struct {
	fd       int
	sequence uint32
}

func dial() (*conn, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("netlink: %w", err)
	}
	return &conn{fd: fd}, nil
}

func (c *conn) close() { _ = unix.Close(c.fd) }

// setUp brings an interface up or down. Bringing it down removes its routes and IPv6 addresses.
func (c *conn) setUp(index int, up bool) error {
	message := unix.IfInfomsg{Family: unix.AF_UNSPEC, Index: int32(index), Change: unix.IFF_UP}
	if up {
		message.Flags = unix.IFF_UP
	}
	return c.ask(unix.RTM_NEWLINK, 0, message)
}

func (c *conn) addAddress(index int, prefix netip.Prefix) error {
	return c.ask(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, addressMessage(index, prefix), addressAttributes(prefix)...)
}

func (c *conn) deleteAddress(index int, prefix netip.Prefix) error {
	return c.ask(unix.RTM_DELADDR, 0, addressMessage(index, prefix), addressAttributes(prefix)...)
}

// setDefaultRoute makes gateway the default route, and replaces a default route of the same metric.
func (c *conn) setDefaultRoute(index int, gateway netip.Addr) error {
	message := unix.RtMsg{
		Family:   family(gateway),
		Table:    unix.RT_TABLE_MAIN,
		Protocol: unix.RTPROT_STATIC,
		Scope:    unix.RT_SCOPE_UNIVERSE,
		Type:     unix.RTN_UNICAST,
	}
	return c.ask(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, message,
		attribute{unix.RTA_GATEWAY, gateway.AsSlice()},
		attribute{unix.RTA_OIF, binary.NativeEndian.AppendUint32(nil, uint32(index))})
}

func addressMessage(index int, prefix netip.Prefix) unix.IfAddrmsg {
	message := unix.IfAddrmsg{
		Family:    family(prefix.Addr()),
		Prefixlen: uint8(prefix.Bits()),
		Scope:     unix.RT_SCOPE_UNIVERSE,
		Index:     uint32(index),
	}
	if prefix.Addr().Is6() {
		// There is no other machine on the network: duplicate address detection would only delay the address
		// by a second.
		message.Flags = unix.IFA_F_NODAD
	}
	return message
}

func addressAttributes(prefix netip.Prefix) []attribute {
	bytes := prefix.Addr().AsSlice()
	return []attribute{{unix.IFA_LOCAL, bytes}, {unix.IFA_ADDRESS, bytes}}
}

func family(address netip.Addr) uint8 {
	if address.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

type attribute struct {
	kind  uint16
	value []byte
}

// ask sends one request and waits for the kernel's acknowledgement.
func (c *conn) ask(kind, flags uint16, message any, attributes ...attribute) error {
	c.sequence++
	request, err := encode(unix.NlMsghdr{
		Type:  kind,
		Flags: flags | unix.NLM_F_REQUEST | unix.NLM_F_ACK,
		Seq:   c.sequence,
	}, message, attributes)
	if err != nil {
		return err
	}
	if err := unix.Sendto(c.fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("netlink: %w", err)
	}
	buffer := make([]byte, 8192)
	for {
		n, _, err := unix.Recvfrom(c.fd, buffer, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("netlink: %w", err)
		}
		// An acknowledgement is an error message with the number 0: header, then a negative errno.
		if n < unix.SizeofNlMsghdr+4 || binary.NativeEndian.Uint16(buffer[4:]) != unix.NLMSG_ERROR ||
			binary.NativeEndian.Uint32(buffer[8:]) != c.sequence {
			continue
		}
		if code := int32(binary.NativeEndian.Uint32(buffer[unix.SizeofNlMsghdr:])); code != 0 {
			return unix.Errno(-code)
		}
		return nil
	}
}

// encode lays out a message: header, struct, attributes, each padded to 4 bytes.
func encode(header unix.NlMsghdr, message any, attributes []attribute) ([]byte, error) {
	body, err := binary.Append(nil, binary.NativeEndian, message)
	if err != nil {
		return nil, err
	}
	for _, a := range attributes {
		body = binary.NativeEndian.AppendUint16(body, uint16(unix.SizeofRtAttr+len(a.value)))
		body = binary.NativeEndian.AppendUint16(body, a.kind)
		body = append(body, a.value...)
		for len(body)%unix.NLMSG_ALIGNTO != 0 {
			body = append(body, 0)
		}
	}
	header.Len = uint32(unix.SizeofNlMsghdr + len(body))
	request, err := binary.Append(nil, binary.NativeEndian, header)
	return append(request, body...), err
}
