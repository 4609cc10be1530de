package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

// Numbers from linux/sockios.h; the structures of their arguments are below.
const (
	setFlags   = 0x8914
	setAddress = 0x8916
	setMask    = 0x891c
	addRoute   = 0x890b
)

// setUpNetwork gives the interface the addresses of guests with NAT, even if there is no NAT.
func setUpNetwork() error {
	device, err := net.InterfaceByName("eth0")
	if err != nil {
		return err
	}
	// Duplicate address detection would delay the use of an address by a second.
	os.WriteFile("/proc/sys/net/ipv6/conf/eth0/accept_dad", []byte("0"), 0)
	four, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(four)
	six, err := syscall.Socket(syscall.AF_INET6, syscall.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(six)
	up := interfaceRequest{}
	copy(up.name[:], "eth0")
	binary.NativeEndian.PutUint16(up.value[:], syscall.IFF_UP|syscall.IFF_RUNNING)
	route := routeRequest{destination: socketAddress("0.0.0.0"), gateway: socketAddress("10.0.2.2"), mask: socketAddress("0.0.0.0"),
		flags: syscall.RTF_UP | syscall.RTF_GATEWAY}
	address := inet6Request{prefix: 64, index: int32(device.Index)}
	copy(address.address[:], net.ParseIP("fec0::15"))
	for _, call := range []struct {
		fd, number int
		argument   unsafe.Pointer
	}{
		{four, setAddress, unsafe.Pointer(addressRequest("10.0.2.15"))},
		{four, setMask, unsafe.Pointer(addressRequest("255.255.255.0"))},
		{four, setFlags, unsafe.Pointer(&up)},
		{four, addRoute, unsafe.Pointer(&route)},
		{six, setAddress, unsafe.Pointer(&address)},
	} {
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(call.fd), uintptr(call.number), uintptr(call.argument))
		if errno != 0 && errno != syscall.EEXIST {
			return fmt.Errorf("ioctl %#x: %w", call.number, errno)
		}
	}
	return nil
}

// interfaceRequest is struct ifreq of linux/if.h.
type interfaceRequest struct {
	name  [16]byte
	value [24]byte
}

// inet6Request is struct in6_ifreq of linux/ipv6.h.
type inet6Request struct {
	address [16]byte
	prefix  uint32
	index   int32
}

// routeRequest is struct rtentry of linux/route.h.
type routeRequest struct {
	_                          uint64
	destination, gateway, mask [16]byte
	flags                      uint16
	_                          [62]byte
}

func addressRequest(address string) *interfaceRequest {
	request := &interfaceRequest{}
	copy(request.name[:], "eth0")
	bytes := socketAddress(address)
	copy(request.value[:], bytes[:])
	return request
}

func socketAddress(address string) (bytes [16]byte) {
	binary.NativeEndian.PutUint16(bytes[:], syscall.AF_INET)
	copy(bytes[4:], net.ParseIP(address).To4())
	return bytes
}

// reach returns the answer of an address within so many seconds, or an error.
func reach(protocol, address, secondsText string) (string, error) {
	seconds, err := strconv.Atoi(secondsText)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(seconds)*time.Second)
	defer cancel()
	switch protocol {
	case "tcp", "udp":
		return echo(ctx, protocol, address, []byte("hello"))
	case "icmp":
		// RFC 792: an echo request of number 1, whose checksum is over these 8 bytes.
		answer, err := echo(ctx, "ip4:icmp", address, []byte{8, 0, 0xf7, 0xfd, 0, 1, 0, 1})
		// After the IP header: an echo reply has the type 0.
		if err == nil && (len(answer) < 28 || answer[20] != 0) {
			return "", fmt.Errorf("got %x", answer)
		}
		return "echo", err
	case "dns":
		resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "udp", address)
		}}
		found, err := resolver.LookupNetIP(ctx, "ip4", "somewhere.test.")
		return fmt.Sprint(found), err
	}
	return "", fmt.Errorf("unknown protocol %q", protocol)
}

func echo(ctx context.Context, network, address string, message []byte) (string, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	conn.SetDeadline(deadline)
	if _, err := conn.Write(message); err != nil {
		return "", err
	}
	answer := make([]byte, 512)
	n, err := conn.Read(answer)
	if err != nil {
		return "", err
	}
	return string(answer[:n]), nil
}
