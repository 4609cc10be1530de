package outside

import (
	"bytes"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"

	"banger.dev/host/internal/net/gate"
	"banger.dev/host/internal/net/wire"
)

// How long a flow without datagrams lives: as in Linux's connection tracking.
const (
	unansweredFor = 30 * time.Second
	answeredFor   = 3 * time.Minute
)

// flow is the datagrams between one port of the guest and one destination.
type flow struct {
	guest      tcpip.Endpoint
	host       *net.UDPConn
	lastUse    atomic.Int64
	isAnswered atomic.Bool
	ended      chan struct{}
	once       sync.Once
}

func (f *flow) end() { f.once.Do(func() { close(f.ended) }) }

func (f *flow) used() { f.lastUse.Store(time.Now().UnixNano()) }

func isQuery(to netip.AddrPort) bool { return wire.IsNameserver(to.Addr()) && to.Port() == 53 }

// admitsUDP decides about the first datagram of a flow.
func (n *Network) admitsUDP(id stack.TransportEndpointID) bool {
	to := destination(id)
	if isQuery(to) {
		return true
	}
	if _, verdict := n.route(gate.UDP, to); !verdict.Allowed {
		n.Counters.Refused.Add(1)
		return false
	}
	return true
}

// refuse answers a datagram like a closed port. The stack itself answers only for its own addresses.
func (n *Network) refuse(packet *stack.PacketBuffer) {
	kind := echo4
	if packet.NetworkProtocolNumber == ipv6.ProtocolNumber {
		kind = echo6
	}
	head := packet.NetworkHeader().Slice()
	if len(head) != kind.header {
		return
	}
	begin := append(append(make([]byte, 0, len(head)+8), head...), packet.TransportHeader().Slice()...)
	n.Link.Send(kind.etherType, unreachable(kind, begin, portClosed))
}

// acceptUDP opens a flow that was admitted, or drops its first datagram.
func (n *Network) acceptUDP(request *udp.ForwarderRequest) {
	var queue waiter.Queue
	to := destination(request.ID())
	endpoint, err := request.CreateEndpoint(&queue)
	if err != nil {
		n.Counters.Failed.Add(1)
		return
	}
	opened := &flow{guest: endpoint, ended: make(chan struct{})}
	opened.used()
	n.add(opened)
	if isQuery(to) {
		go n.serveQueries(opened, &queue)
		return
	}
	go n.carry(opened, &queue, to)
}

// add makes room for the flow: the one that was not used for longest ends.
func (n *Network) add(opened *flow) {
	n.flowsLock.Lock()
	defer n.flowsLock.Unlock()
	if len(n.flows) >= maxFlows {
		var oldest *flow
		for each := range n.flows {
			if oldest == nil || each.lastUse.Load() < oldest.lastUse.Load() {
				oldest = each
			}
		}
		delete(n.flows, oldest)
		oldest.end()
	}
	n.flows[opened] = struct{}{}
	n.Counters.Flows.Add(1)
	n.Counters.OpenFlows.Store(int64(len(n.flows)))
}

func (n *Network) remove(ended *flow) {
	ended.end()
	ended.guest.Close()
	n.flowsLock.Lock()
	defer n.flowsLock.Unlock()
	delete(n.flows, ended)
	n.Counters.OpenFlows.Store(int64(len(n.flows)))
}

// carry sends the guest's datagrams and brings back the answers until the flow is idle.
func (n *Network) carry(opened *flow, queue *waiter.Queue, to netip.AddrPort) {
	defer n.remove(opened)
	// The gate has admitted the flow.
	targets, why := n.targets(gate.UDP, to)
	if why != "" {
		return
	}
	host, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(targets[0]))
	if err != nil {
		n.Counters.Failed.Add(1)
		return
	}
	defer host.Close()
	opened.host = host
	go n.answer(opened)
	defer n.open(gate.UDP, to, "", nil, opened.end)()
	n.eachDatagram(opened, queue, func(datagram []byte) {
		// A destination that refuses datagrams looks to the guest like one that drops them.
		_, _ = host.Write(datagram)
	})
}

// eachDatagram calls handle with each datagram of the guest until the flow ends or is idle.
func (n *Network) eachDatagram(opened *flow, queue *waiter.Queue, handle func([]byte)) {
	entry, readable := waiter.NewChannelEntry(waiter.ReadableEvents)
	queue.EventRegister(&entry)
	defer queue.EventUnregister(&entry)
	idle := time.NewTimer(unansweredFor)
	defer idle.Stop()
	var datagram bytes.Buffer
	for {
		datagram.Reset()
		_, err := opened.guest.Read(&datagram, tcpip.ReadOptions{})
		if err == nil {
			opened.used()
			handle(datagram.Bytes())
			continue
		}
		if _, waits := err.(*tcpip.ErrWouldBlock); !waits {
			return
		}
		if datagram.Cap() > wire.MTU {
			datagram = bytes.Buffer{}
		}
		select {
		case <-readable:
		case <-idle.C:
			left := opened.idleIn()
			if left <= 0 {
				return
			}
			idle.Reset(left)
		case <-opened.ended:
			return
		case <-n.context.Done():
			return
		}
	}
}

func (f *flow) idleIn() time.Duration {
	limit := unansweredFor
	if f.isAnswered.Load() {
		limit = answeredFor
	}
	return limit - time.Since(time.Unix(0, f.lastUse.Load()))
}

// answer brings datagrams from the host's socket to the guest until that is closed.
func (n *Network) answer(opened *flow) {
	raw, err := opened.host.SyscallConn()
	if err != nil {
		return
	}
	for {
		held, count, failure := receive(raw)
		if held == nil {
			return
		}
		if failure == nil {
			opened.used()
			opened.isAnswered.Store(true)
			_, _ = opened.guest.Write(bytes.NewReader((*held)[:count]), tcpip.WriteOptions{})
		}
		buffers.Put(held)
		if failure != nil && failure != unix.ECONNREFUSED {
			opened.end()
			return
		}
	}
}
