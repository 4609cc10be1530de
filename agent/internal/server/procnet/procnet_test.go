package procnet

import (
	"fmt"
	"net"
	"os"
	"slices"
	"testing"
)

const tcpTable = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0000000000000000 100 0 0 10 0
   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4712 1 0000000000000000 100 0 0 10 0
   2: 0100007F:1F90 0100007F:C001 01 00000000:00000000 00:00000000 00000000     0        0 4713 1 0000000000000000 100 0 0 10 0
`

const udp6Table = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  10: 00000000000000000000000001000000:0035 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 99 2 0000000000000000 0
  11: 0000000000000000FFFF00000100007F:0036 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 98 2 0000000000000000 0
  12: B80D01200000000000000000EFBE0000:0037 B80D01200000000000000000EFBE0000:0001 07 00000000:00000000 00:00000000 00000000     0        0 97 2 0000000000000000 0
`

func TestParseFindsWhatListens(t *testing.T) {
	for _, test := range []struct {
		table, proto string
		want         []string
	}{
		{tcpTable, "tcp", []string{"127.0.0.1:8080 4711", "0.0.0.0:22 4712"}},
		{udp6Table, "udp", []string{"[::1]:53 99", "127.0.0.1:54 98"}},
		{"", "tcp", nil},
		{"not a table\n at all", "tcp", nil},
	} {
		var got []string
		for _, socket := range Parse([]byte(test.table), test.proto) {
			got = append(got, fmt.Sprint(socket.Addr, " ", socket.Inode))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", test.proto, got, test.want)
		}
	}
}

func TestListenKnowsTheProcessAndSeesThePortGo(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	number := listener.Addr().(*net.TCPAddr).Port
	var scanner Scanner
	find := func() (Port, bool) {
		ports, err := scanner.Listen()
		if err != nil {
			t.Fatal(err)
		}
		at := slices.IndexFunc(ports, func(p Port) bool { return int(p.Port) == number && p.Proto == "tcp" })
		if at < 0 {
			return Port{}, false
		}
		return ports[at], true
	}
	// The second time, the Scanner remembers the process.
	for range 2 {
		port, found := find()
		if !found || port.PID != os.Getpid() || port.Process == "" || port.Address != "127.0.0.1" {
			t.Fatalf("got %+v, found %v", port, found)
		}
	}
	listener.Close()
	if port, found := find(); found {
		t.Fatalf("still there: %+v", port)
	}
}

func FuzzParseNeverPanics(f *testing.F) {
	f.Add([]byte(tcpTable), "tcp")
	f.Add([]byte(udp6Table), "udp")
	f.Add([]byte("0: :: : 0A 0 0 0 0 0 0\n"), "tcp")
	f.Fuzz(func(t *testing.T, table []byte, proto string) {
		for _, socket := range Parse(table, proto) {
			if !socket.Addr.IsValid() || socket.Addr.Port() == 0 {
				t.Fatalf("bad socket %+v", socket)
			}
		}
	})
}
