package gate

import (
	"net/netip"
	"testing"
)

func TestFloorRefusesTheHostItselfInEverySpelling(t *testing.T) {
	for _, text := range []string{
		"127.0.0.1", "127.77.1.2", "127.53.0.1", "0.0.0.0", "0.1.2.3", "::1", "::", "::ffff:127.0.0.1", "::127.0.0.1",
		"64:ff9b::7f00:1", "2002:7f00:1::", "fe80::1",
		"224.0.0.1", "255.255.255.255", "240.0.0.1", "ff02::1", "fe80::1%eth0",
	} {
		if Floor(netip.MustParseAddr(text)) == "" {
			t.Errorf("Floor(%s) lets a gate decide", text)
		}
	}
	if Floor(netip.Addr{}) == "" {
		t.Error("Floor lets a gate decide about no address")
	}
}

func TestFloorLeavesTheOutsideToTheGate(t *testing.T) {
	for _, text := range []string{
		"8.8.8.8", "10.0.0.1", "192.168.1.1", "172.16.0.1", "126.255.255.255", "128.0.0.1", "2001:db8::1", "fd00::1",
		"64:ff9b::808:808", "::ffff:8.8.8.8", "2002:808:808::1", "223.255.255.255",
	} {
		if why := Floor(netip.MustParseAddr(text)); why != "" {
			t.Errorf("Floor(%s) = %q", text, why)
		}
	}
}

func TestAnOpenGateRefusesWhereCloudsServeCredentials(t *testing.T) {
	for _, text := range []string{"169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254", "64:ff9b::a9fe:a9fe"} {
		to := netip.AddrPortFrom(netip.MustParseAddr(text), 80)
		if (Open{}).Dial(TCP, to).Allowed {
			t.Errorf("%s is reached", text)
		}
	}
	if !(Open{}).Dial(TCP, netip.MustParseAddrPort("192.0.2.1:80")).Allowed {
		t.Error("another address is refused")
	}
}
