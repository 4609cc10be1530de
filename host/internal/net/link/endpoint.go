// Package link connects a network stack with the VMM's stream of frames.
package link

import (
	"net"
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"banger.dev/host/internal/net/wire"
)

// maxQueued is how many frames wait for a guest that does not read; more are dropped, as by any network.
const maxQueued = 1024

// Counters of one link; they only grow.
type Counters struct {
	FramesIn, FramesOut, BytesIn, BytesOut atomic.Uint64
	// frames that were dropped: for want of room, as malformed or to many hosts, and from other addresses
	Overflowed, Dropped, Spoofed atomic.Uint64
}

// Endpoint is the stack's side of the link. It is connected to one VMM at a time.
type Endpoint struct {
	Counters Counters
	// Intercept sees each packet of the guest first; true means that it needs no delivery.
	Intercept func(checked wire.Checked) bool

	mu         sync.RWMutex
	dispatcher stack.NetworkDispatcher
	queue      chan []byte
	connected  net.Conn
	frames     sync.Pool
}

var _ stack.LinkEndpoint = (*Endpoint)(nil)

// New returns an endpoint without a connection.
func New() *Endpoint {
	endpoint := &Endpoint{queue: make(chan []byte, maxQueued)}
	endpoint.frames.New = func() any {
		frame := make([]byte, wire.LengthBytes+wire.MaxFrame)
		return &frame
	}
	return endpoint
}

// Send queues an IP packet, or another one of that Ethernet type, for the guest.
func (e *Endpoint) Send(etherType uint16, parts ...[]byte) {
	size := 0
	for _, part := range parts {
		size += len(part)
	}
	if size > wire.MTU || !e.IsConnected() {
		e.Counters.Overflowed.Add(1)
		return
	}
	frame := *e.frames.Get().(*[]byte)
	frame = frame[:wire.HeaderBytes+size]
	wire.PutHeader(frame, size, etherType)
	at := wire.HeaderBytes
	for _, part := range parts {
		at += copy(frame[at:], part)
	}
	select {
	case e.queue <- frame:
	default:
		e.recycle(frame)
		e.Counters.Overflowed.Add(1)
	}
}

func (e *Endpoint) recycle(frame []byte) {
	frame = frame[:cap(frame)]
	e.frames.Put(&frame)
}

// WritePackets implements stack.LinkWriter.
func (e *Endpoint) WritePackets(packets stack.PacketBufferList) (int, tcpip.Error) {
	for _, packet := range packets.AsSlice() {
		// Nothing but neighbour discovery is for many hosts, and that is answered without the stack.
		if to := packet.Network().DestinationAddress(); header.IsV6MulticastAddress(to) || header.IsV4MulticastAddress(to) {
			continue
		}
		etherType := uint16(wire.TypeIPv4)
		if packet.NetworkProtocolNumber == header.IPv6ProtocolNumber {
			etherType = wire.TypeIPv6
		}
		e.Send(etherType, packet.AsSlices()...)
	}
	return packets.Len(), nil
}

// IsConnected reports whether a VMM is connected.
func (e *Endpoint) IsConnected() bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.connected != nil
}

// Attach implements stack.NetworkLinkEndpoint.
func (e *Endpoint) Attach(dispatcher stack.NetworkDispatcher) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dispatcher = dispatcher
}

// IsAttached implements stack.NetworkLinkEndpoint.
func (e *Endpoint) IsAttached() bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.dispatcher != nil
}

// Capabilities implements stack.NetworkLinkEndpoint: the stack never asks who has an address, because there
// is only the guest; and a stream does not damage what it carries.
func (*Endpoint) Capabilities() stack.LinkEndpointCapabilities {
	return stack.CapabilityRXChecksumOffload
}

func (*Endpoint) MTU() uint32                             { return wire.MTU }
func (*Endpoint) SetMTU(uint32)                           {}
func (*Endpoint) MaxHeaderLength() uint16                 { return 0 }
func (*Endpoint) LinkAddress() tcpip.LinkAddress          { return tcpip.LinkAddress(wire.GatewayMAC[:]) }
func (*Endpoint) SetLinkAddress(tcpip.LinkAddress)        {}
func (*Endpoint) Wait()                                   {}
func (*Endpoint) ARPHardwareType() header.ARPHardwareType { return header.ARPHardwareNone }
func (*Endpoint) AddHeader(*stack.PacketBuffer)           {}
func (*Endpoint) ParseHeader(*stack.PacketBuffer) bool    { return true }
func (*Endpoint) Close()                                  {}
func (*Endpoint) SetOnCloseAction(func())                 {}
