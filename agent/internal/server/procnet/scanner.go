package procnet

import (
	"bytes"
	"cmp"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Port is a port on which something listens.
type Port struct {
	Proto   string `json:"proto"`
	Address string `json:"address"`
	Port    uint16 `json:"port"`
	// PID is 0 when no process holds the socket, or none that the agent may inspect.
	PID     int    `json:"pid,omitempty"`
	Process string `json:"process,omitempty"`
}

// owner is where a socket was seen: descriptor fd of process pid. pid 0 means that no process has it.
type owner struct {
	pid  int
	fd   string
	name string
}

// Scanner lists listening ports. It remembers which process has which socket, because to find that out it has
// to look at every descriptor of every process; it verifies what it remembers each time. The zero Scanner is
// ready to use.
type Scanner struct {
	mu     sync.Mutex
	owners map[uint64]owner
}

// Listen returns the ports on which something listens now, in the order of port, protocol and address. A
// socket that several processes share is listed with the lowest process number, which is usually its creator.
// A socket on which systemd waits on behalf of a service is listed with the program that it will start.
func (s *Scanner) Listen() ([]Port, error) {
	sockets, err := listening("tcp", "tcp6", "udp", "udp6")
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refresh(sockets)
	ports := make([]Port, 0, len(sockets))
	var programs map[string]string
	for _, socket := range sockets {
		holder := s.owners[socket.Inode]
		if holder.pid == 1 && holder.name == "systemd" {
			if programs == nil {
				programs = activated("/")
			}
			holder.name = cmp.Or(programs[socket.Proto+" "+strconv.Itoa(int(socket.Addr.Port()))], holder.name)
		}
		ports = append(ports, Port{
			Proto:   socket.Proto,
			Address: socket.Addr.Addr().String(),
			Port:    socket.Addr.Port(),
			PID:     holder.pid,
			Process: holder.name,
		})
	}
	slices.SortFunc(ports, func(a, b Port) int {
		return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.Address, b.Address))
	})
	return slices.Compact(ports), nil
}

// listening returns the sockets in these tables of proc_net(5) that listen.
func listening(tables ...string) ([]Socket, error) {
	var sockets []Socket
	for _, file := range tables {
		table, err := os.ReadFile("/proc/net/" + file)
		if errors.Is(err, fs.ErrNotExist) {
			// The kernel has no IPv6.
			continue
		}
		if err != nil {
			return nil, err
		}
		sockets = append(sockets, Parse(table, file[:3])...)
	}
	return sockets, nil
}

// refresh updates s.owners for these sockets. It searches the processes only when a socket is new or has
// moved.
func (s *Scanner) refresh(sockets []Socket) {
	owners := make(map[uint64]owner, len(sockets))
	unknown := make(map[uint64]bool)
	for _, socket := range sockets {
		known, seen := s.owners[socket.Inode]
		if seen && (known.pid == 0 || socketOf(known.pid, known.fd) == socket.Inode) {
			owners[socket.Inode] = known
		} else {
			unknown[socket.Inode] = true
		}
	}
	s.owners = owners
	if len(unknown) == 0 {
		return
	}
	for _, pid := range processes() {
		for _, fd := range descriptors(pid) {
			inode := socketOf(pid, fd)
			if !unknown[inode] {
				continue
			}
			delete(unknown, inode)
			owners[inode] = owner{pid, fd, commandName(pid)}
		}
		if len(unknown) == 0 {
			return
		}
	}
	for inode := range unknown {
		owners[inode] = owner{}
	}
}

// processes lists the numbers of all processes, lowest first.
func processes() []int {
	var pids []int
	for _, name := range names("/proc") {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

func descriptors(pid int) []string {
	return names("/proc/" + strconv.Itoa(pid) + "/fd")
}

// names lists a directory. It returns nothing when the directory is gone or may not be read.
func names(path string) []string {
	dir, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer dir.Close()
	list, _ := dir.Readdirnames(-1)
	return list
}

// socketOf returns the inode of a descriptor's socket, or 0, which no socket has.
func socketOf(pid int, fd string) uint64 {
	target, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/fd/" + fd)
	if err != nil {
		return 0
	}
	number, found := strings.CutPrefix(target, "socket:[")
	if !found {
		return 0
	}
	inode, err := strconv.ParseUint(strings.TrimSuffix(number, "]"), 10, 64)
	if err != nil {
		return 0
	}
	return inode
}

func commandName(pid int) string {
	name, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
	if err != nil {
		return ""
	}
	return string(bytes.TrimSuffix(name, []byte("\n")))
}
