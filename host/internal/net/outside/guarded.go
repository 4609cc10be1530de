package outside

import (
	"errors"
	"io"
	"net"
	"time"

	"banger.dev/host/internal/net/gate"
)

var (
	errRefused = errors.New("the gate refuses what the guest sends")
	errFull    = errors.New("the guest has too many connections")
	errCut     = errors.New("the guest ended a connection in the middle of what names its server")
)

// guarded copies from the guest to the host what its guard lets through, until the guest's side ends; nil
// means in order.
func (n *Network) guarded(guest *guestConn, host net.Conn, guard gate.Guard) error {
	if guard == nil {
		return upstream(guest, host)
	}
	buffer := make([]byte, 4<<10)
	wasWaiting := false
	for !guard.IsOpen() {
		if isWaiting := guard.IsWaiting(); isWaiting != wasWaiting {
			ends := time.Time{}
			if isWaiting {
				ends = time.Now().Add(gate.GuardDeadline)
			}
			if err := guest.SetReadDeadline(ends); err != nil {
				return err
			}
			wasWaiting = isWaiting
		}
		count, err := guest.Read(buffer)
		if count > 0 {
			send, mustEnd := guard.Inspect(buffer[:count])
			if mustEnd {
				n.Counters.Refused.Add(1)
				return errRefused
			}
			if _, err := host.Write(send); err != nil {
				return err
			}
		}
		if err != nil {
			if guard.Expire() {
				n.Counters.Refused.Add(1)
				return errCut
			}
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if count == len(buffer) && len(buffer) < copyBytes {
			buffer = make([]byte, 2*len(buffer))
		}
	}
	if err := guest.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	return upstream(guest, host)
}
