package link

import (
	"net"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"banger.dev/host/internal/net/wire"
)

// maxBatch is how many frames are written with one system call.
const maxBatch = 64

// Serve carries frames between the stack and a VMM until the connection ends. A VMM that was connected before
// is disconnected.
func (e *Endpoint) Serve(connection net.Conn) {
	e.mu.Lock()
	former := e.connected
	e.connected = connection
	e.mu.Unlock()
	if former != nil {
		former.Close()
	}
	ended := make(chan struct{})
	go e.write(connection, ended)
	e.read(connection)
	close(ended)
	connection.Close()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.connected == connection {
		e.connected = nil
	}
}

// Disconnect ends the connection of the VMM, if there is one.
func (e *Endpoint) Disconnect() {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.connected != nil {
		e.connected.Close()
	}
}

func (e *Endpoint) read(connection net.Conn) {
	frames := wire.NewReader(connection)
	for {
		frame, err := frames.Next()
		if err != nil {
			return
		}
		e.Counters.FramesIn.Add(1)
		e.Counters.BytesIn.Add(uint64(len(frame)))
		e.receive(wire.Check(frame))
	}
}

func (e *Endpoint) receive(checked wire.Checked) {
	switch {
	case checked.IsSpoofed:
		e.Counters.Spoofed.Add(1)
	case checked.Answer != nil:
		e.Send(checked.AnswerType, checked.Answer)
	case checked.Packet == nil:
		e.Counters.Dropped.Add(1)
	case e.Intercept != nil && e.Intercept(checked):
	default:
		e.deliver(checked)
	}
}

func (e *Endpoint) deliver(checked wire.Checked) {
	e.mu.RLock()
	dispatcher := e.dispatcher
	e.mu.RUnlock()
	if dispatcher == nil {
		return
	}
	packet := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(checked.Packet)})
	defer packet.DecRef()
	dispatcher.DeliverNetworkPacket(tcpip.NetworkProtocolNumber(checked.Type), packet)
}

func (e *Endpoint) write(connection net.Conn, ended <-chan struct{}) {
	batch := make(net.Buffers, 0, maxBatch)
	for {
		batch = batch[:0]
		select {
		case frame := <-e.queue:
			batch = append(batch, frame)
		case <-ended:
			return
		}
	fill:
		for len(batch) < maxBatch {
			select {
			case frame := <-e.queue:
				batch = append(batch, frame)
			default:
				break fill
			}
		}
		frames := append(make([][]byte, 0, maxBatch), batch...)
		written, err := batch.WriteTo(connection)
		e.Counters.FramesOut.Add(uint64(len(frames)))
		e.Counters.BytesOut.Add(uint64(written))
		for _, frame := range frames {
			e.recycle(frame)
		}
		if err != nil {
			connection.Close()
			return
		}
		batch = frames[:0]
	}
}
