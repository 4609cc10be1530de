package process

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"banger.dev/host/internal/net/control"
	"banger.dev/host/internal/net/outside"
	"banger.dev/host/internal/net/policy"
	"banger.dev/host/internal/net/policy/rule"
	"banger.dev/host/internal/net/secrets"
)

// process is a running network with its sockets.
type process struct {
	network *outside.Network
	// nil when nothing restricts the guest and nothing is logged
	gate    *policy.Gate
	exposed atomic.Pointer[ports]
	links   atomic.Int32
	once    sync.Once
	ended   chan struct{}
}

// State is what the daemon is answered.
type State struct {
	Pid          int      `json:"pid"`
	IsConnected  bool     `json:"isConnected"`
	ExposedPorts []uint16 `json:"exposedPorts"`
	Counters     Counters `json:"counters"`
	// the policy and its counters, if there is one
	Policy *policy.Status `json:"policy,omitempty"`
	// the secrets without their values, and what the guest must trust to use them
	Secrets   []secrets.State    `json:"secrets,omitempty"`
	Authority *secrets.Authority `json:"authority,omitempty"`
}

// Counters are since the start of the process.
type Counters struct {
	FramesFromGuest  uint64 `json:"framesFromGuest"`
	FramesToGuest    uint64 `json:"framesToGuest"`
	BytesFromGuest   uint64 `json:"bytesFromGuest"`
	BytesToGuest     uint64 `json:"bytesToGuest"`
	DroppedFrames    uint64 `json:"droppedFrames"`
	SpoofedFrames    uint64 `json:"spoofedFrames"`
	OverflowedFrames uint64 `json:"overflowedFrames"`
	Connections      uint64 `json:"connections"`
	OpenConnections  int64  `json:"openConnections"`
	DatagramFlows    uint64 `json:"datagramFlows"`
	OpenFlows        int64  `json:"openFlows"`
	Queries          uint64 `json:"queries"`
	Pings            uint64 `json:"pings"`
	Refused          uint64 `json:"refused"`
	Failed           uint64 `json:"failed"`
}

// State implements control.Handler.
func (p *process) State() any {
	link, flows := &p.network.Link.Counters, &p.network.Counters
	exposed := []uint16(*p.exposed.Load())
	if exposed == nil {
		exposed = []uint16{}
	}
	state := State{
		Pid: os.Getpid(), IsConnected: p.network.Link.IsConnected(), ExposedPorts: exposed,
		Counters: Counters{
			FramesFromGuest: link.FramesIn.Load(), FramesToGuest: link.FramesOut.Load(),
			BytesFromGuest: link.BytesIn.Load(), BytesToGuest: link.BytesOut.Load(),
			DroppedFrames: link.Dropped.Load(), SpoofedFrames: link.Spoofed.Load(), OverflowedFrames: link.Overflowed.Load(),
			Connections: flows.Connections.Load(), OpenConnections: flows.OpenConnections.Load(),
			DatagramFlows: flows.Flows.Load(), OpenFlows: flows.OpenFlows.Load(),
			Queries: flows.Queries.Load(), Pings: flows.Pings.Load(),
			Refused: flows.Refused.Load(), Failed: flows.Failed.Load(),
		},
	}
	if p.gate != nil {
		status := p.gate.Status()
		state.Policy = &status
	}
	if p.network.Secrets == nil {
		return state
	}
	state.Secrets = p.network.Secrets.States()
	authority, err := p.network.Secrets.Authority()
	if err != nil {
		fmt.Fprintf(os.Stderr, "net: %v\n", err)
	}
	state.Authority = authority
	return state
}

// Secrets implements control.Handler.
func (p *process) Secrets(text json.RawMessage) error {
	var config secrets.Config
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&config); err != nil {
		// The message of the decoder could have a part of the text.
		return errors.New("the secrets cannot be read")
	}
	if p.network.Secrets == nil {
		return errors.New("the network was started without secrets")
	}
	return p.network.Secrets.Replace(config)
}

// secretLog records the use of secrets in the log of decisions.
type secretLog struct{ gate *policy.Gate }

func (s secretLog) Secret(use secrets.Use) bool {
	return s.gate == nil || s.gate.Secret(use.Name, use.Host, use.Port, use.Reason)
}

// Apply implements control.Handler.
func (p *process) Apply(settings control.Settings) error {
	exposed := ports(settings.ExposedPorts)
	for _, port := range exposed {
		if port == 0 {
			return fmt.Errorf("0 is not a port")
		}
	}
	if settings.Policy != nil {
		if err := p.replacePolicy(settings.Policy); err != nil {
			return err
		}
	}
	p.network.Expose(exposed)
	p.exposed.Store(&exposed)
	return nil
}

func (p *process) replacePolicy(text []byte) error {
	if p.gate == nil {
		return errNoPolicy
	}
	config, err := policy.Decode(text)
	if err != nil {
		return err
	}
	if err := p.gate.Replace(config); err != nil {
		return err
	}
	p.network.Recheck()
	return nil
}

var errNoPolicy = errors.New("the network was started without a policy")

// Check implements control.Handler.
func (p *process) Check(check control.Check) (any, error) {
	if p.gate == nil {
		return nil, errNoPolicy
	}
	target, err := rule.Parse(check.Target)
	if err != nil {
		return nil, err
	}
	isOne := target.Ports.First == target.Ports.Last && !target.IsWildcard && (target.IsName() || target.Prefix.IsSingleIP())
	if !isOne {
		return nil, fmt.Errorf("%q is not one port of one host", check.Target)
	}
	return p.gate.Check(target, check.Addresses), nil
}

// Learned implements control.Handler.
func (p *process) Learned() (any, error) {
	if p.gate == nil {
		return nil, errNoPolicy
	}
	learned, isLearning := p.gate.Learned()
	if !isLearning {
		return nil, errors.New("the policy does not learn")
	}
	return learned, nil
}

// End implements control.Handler.
func (p *process) End() { p.once.Do(func() { close(p.ended) }) }

// serveLink carries the frames of one VMM after the other.
func (p *process) serveLink(listener *net.UnixListener) {
	unlinked := time.AfterFunc(unlinkedFor, p.End)
	for {
		connection, err := listener.AcceptUnix()
		if err != nil {
			p.End()
			return
		}
		if !control.IsOwn(connection) {
			connection.Close()
			continue
		}
		unlinked.Stop()
		p.links.Add(1)
		go func() {
			p.network.Link.Serve(connection)
			if p.links.Add(-1) == 0 {
				unlinked.Reset(unlinkedFor)
			}
		}()
	}
}
