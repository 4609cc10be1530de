package helper_test

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Frames as guests send them, through the kernel of this host: what arrives where.

const (
	virtioHeaderBytes = 10
	// the mark of what the host sends to find out whether a guest is reached
	greeting = 99
)

var router = net.HardwareAddr{2, 0, 0, 0, 0, 0x99}

// openTap is what a VMM does.
func openTap(t *testing.T, name string) *os.File {
	t.Helper()
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	request, _ := unix.NewIfreq(name)
	request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), name)
	t.Cleanup(func() { file.Close() })
	return file
}

// sniff returns a socket that gets every frame that arrives at a link.
func sniff(t *testing.T, name string) *os.File {
	t.Helper()
	link, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	all := binary.NativeEndian.Uint16([]byte{0, unix.ETH_P_ALL})
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: link.Attrs().Index}); err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), name)
	t.Cleanup(func() { file.Close() })
	return file
}

// datagram is an Ethernet frame with an IPv4 packet with a UDP datagram.
func datagram(fromMac, toMac net.HardwareAddr, from, to string, mark byte) []byte {
	src, dst := netip.MustParseAddr(from).As4(), netip.MustParseAddr(to).As4()
	ip := []byte{0x45, 0, 0, 29, 0, 0, 0, 0, 64, 17, 0, 0}
	ip = append(append(ip, src[:]...), dst[:]...)
	var sum uint32
	for i := 0; i < len(ip); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(ip[i:]))
	}
	sum = sum>>16 + sum&0xffff
	binary.BigEndian.PutUint16(ip[10:], ^uint16(sum>>16+sum))
	udp := []byte{0x10, 0, 0x14, 0xe9, 0, 9, 0, 0, mark}
	frame := append(append(append([]byte{}, toMac...), fromMac...), 8, 0)
	return append(append(frame, ip...), udp...)
}

func send(t *testing.T, tap *os.File, frame []byte) {
	t.Helper()
	if _, err := tap.Write(append(make([]byte, virtioHeaderBytes), frame...)); err != nil {
		t.Fatal(err)
	}
}

type seen struct {
	from string
	mark byte
}

// until reads frames up to the one with this mark, and returns those datagrams that came before it, and it.
func until(t *testing.T, file *os.File, skip int, mark byte) []seen {
	t.Helper()
	var all []seen
	buffer := make([]byte, 4096)
	file.SetReadDeadline(time.Now().Add(20 * time.Second))
	for {
		n, err := file.Read(buffer)
		if err != nil {
			t.Fatalf("%v after %v", err, all)
		}
		frame := buffer[min(skip, n):n]
		if len(frame) < 43 || frame[12] != 8 || frame[13] != 0 || frame[23] != 17 {
			continue
		}
		if frame[42] == greeting {
			continue
		}
		found := seen{net.IP(frame[26:30]).String(), frame[42]}
		all = append(all, found)
		if found.mark == mark {
			return all
		}
	}
}

// reach sends to a guest until it arrives: a bridge forwards to a new port only after a while.
func reach(t *testing.T, address string, mac net.HardwareAddr, tap *os.File) {
	t.Helper()
	// Not from the port that the test uses: the guest may answer there.
	host, err := net.ListenPacket("udp4", "172.16.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	buffer := make([]byte, 4096)
	for range 100 {
		// The kernel forgets it when the first tap of the bridge is opened.
		neighbour(t, "br-fc", address, mac)
		host.WriteTo([]byte{greeting}, &net.UDPAddr{IP: net.ParseIP(address), Port: 4096})
		tap.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		for {
			n, err := tap.Read(buffer)
			if err != nil {
				break
			}
			if n == virtioHeaderBytes+43 && buffer[n-1] == greeting {
				return
			}
		}
	}
	t.Fatalf("the host does not reach %s", address)
}

func neighbour(t *testing.T, link, address string, mac net.HardwareAddr) {
	t.Helper()
	found, err := netlink.LinkByName(link)
	if err != nil {
		t.Fatal(err)
	}
	entry := &netlink.Neigh{LinkIndex: found.Attrs().Index, State: unix.NUD_PERMANENT, IP: net.ParseIP(address), HardwareAddr: mac}
	if err := netlink.NeighSet(entry); err != nil {
		t.Fatal(err)
	}
}

func TestFramesOfGuests(t *testing.T) {
	h := startHost(t)
	uplink(t)
	// Where this is on, the rules of the host's own forwarding would hide what the bridge lets through.
	os.WriteFile("/proc/sys/net/bridge/bridge-nf-call-iptables", []byte("0"), 0)
	up0, _ := netlink.LinkByName("up0")
	if err := netlink.RouteAdd(&netlink.Route{LinkIndex: up0.Attrs().Index, Gw: net.ParseIP("10.77.3.2")}); err != nil {
		t.Fatal(err)
	}
	neighbour(t, "up0", "10.77.3.2", router)
	h.do("bridge.ensure", ensure)
	mac := map[string]net.HardwareAddr{}
	taps := map[string]*os.File{}
	for name, address := range map[string]string{"bgr-nat": "172.16.0.10", "bgr-off": "172.16.0.11"} {
		h.do("tap.create", `{"tap":"`+name+`","bridge":"br-fc"}`)
		answer := h.do("tap.assign", `{"tap":"`+name+`","address":"`+address+`"}`)
		mac[name], _ = net.ParseMAC(answer.Result["mac"].(string))
		taps[name] = openTap(t, name)
	}
	h.do("nat.on", `{"tap":"bgr-nat","address":"172.16.0.10"}`)
	host, err := net.ListenPacket("udp4", "172.16.0.1:5353")
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	reach(t, "172.16.0.10", mac["bgr-nat"], taps["bgr-nat"])
	reach(t, "172.16.0.11", mac["bgr-off"], taps["bgr-off"])
	bridge := links(t)["br-fc"].Attrs().HardwareAddr
	outside := sniff(t, "up1")
	nat, off := taps["bgr-nat"], taps["bgr-off"]

	// Outside: everything but the last must not arrive there.
	send(t, off, datagram(mac["bgr-off"], bridge, "172.16.0.11", "198.51.100.9", 1))
	send(t, off, datagram(mac["bgr-off"], bridge, "172.16.0.10", "198.51.100.9", 2))
	send(t, off, datagram(mac["bgr-nat"], bridge, "172.16.0.10", "198.51.100.9", 3))
	send(t, nat, datagram(mac["bgr-off"], bridge, "172.16.0.10", "198.51.100.9", 4))
	send(t, nat, datagram(mac["bgr-nat"], bridge, "172.16.0.99", "198.51.100.9", 5))
	send(t, nat, datagram(mac["bgr-nat"], bridge, "172.16.0.10", "169.254.169.254", 6))
	send(t, nat, datagram(mac["bgr-nat"], bridge, "172.16.0.10", "168.63.129.16", 8))
	send(t, nat, datagram(mac["bgr-nat"], bridge, "172.16.0.10", "192.0.0.192", 9))
	send(t, nat, datagram(mac["bgr-nat"], bridge, "172.16.0.10", "100.100.100.200", 10))
	send(t, nat, datagram(mac["bgr-nat"], bridge, "172.16.0.10", "198.51.100.9", 7))
	if all := until(t, outside, 0, 7); len(all) != 1 || all[0].from != "10.77.3.1" {
		t.Errorf("outside arrive %v", all)
	}

	// Another guest, also by broadcast: only the host reaches it.
	everyone := net.HardwareAddr{255, 255, 255, 255, 255, 255}
	send(t, nat, datagram(mac["bgr-nat"], mac["bgr-off"], "172.16.0.10", "172.16.0.11", 1))
	send(t, nat, datagram(mac["bgr-nat"], everyone, "172.16.0.10", "172.16.0.255", 2))
	send(t, nat, datagram(mac["bgr-nat"], bridge, "172.16.0.10", "172.16.0.11", 3))
	host.WriteTo([]byte{7}, &net.UDPAddr{IP: net.ParseIP("172.16.0.11"), Port: 4096})
	if all := until(t, off, virtioHeaderBytes, 7); len(all) != 1 || all[0].from != "172.16.0.1" {
		t.Errorf("at the other guest arrive %v", all)
	}

	// The host: a guest reaches it only where the host began.
	send(t, nat, datagram(mac["bgr-nat"], bridge, "172.16.0.10", "172.16.0.1", 1))
	send(t, nat, datagram(mac["bgr-nat"], bridge, "172.16.0.10", "10.77.3.1", 2))
	for last := range 16 {
		reserved := net.HardwareAddr{0x01, 0x80, 0xc2, 0, 0, byte(last)}
		send(t, nat, datagram(mac["bgr-nat"], reserved, "172.16.0.10", "172.16.0.1", 3))
		send(t, nat, datagram(mac["bgr-nat"], reserved, "172.16.0.99", "172.16.0.1", 4))
	}
	send(t, off, datagram(mac["bgr-off"], bridge, "172.16.0.11", "172.16.0.1", 7))
	host.SetReadDeadline(time.Now().Add(20 * time.Second))
	buffer := make([]byte, 64)
	n, from, err := host.ReadFrom(buffer)
	if err != nil || n != 1 || buffer[0] != 7 || from.String() != "172.16.0.11:4096" {
		t.Errorf("at the host arrive %v from %v: %v", buffer[:n], from, err)
	}
}
