// Package helper carries out the operations of package request.
package helper

import (
	"context"
	"sync"

	"banger.dev/root/internal/network"
	"banger.dev/root/internal/refusal"
	"banger.dev/root/internal/request"
	"banger.dev/root/internal/resolver"
)

// Helper works for one user of the host.
type Helper struct {
	// Owner is that user's uid.
	Owner uint32
	// Version is the program's version.
	Version string
	// Subnets is the file that says in which networks bridges may be: SubnetsFile. Empty: there is none.
	Subnets string
	// one change at a time: each looks at what exists before it changes that
	change sync.Mutex
}

// Result is what an operation answers.
type Result map[string]any

// Do carries out one operation.
func (h *Helper) Do(ctx context.Context, operation request.Operation) (Result, error) {
	if _, is := operation.(*request.Status); is {
		return Result{"version": h.Version, "owner": h.Owner, "operations": request.Names()}, nil
	}
	h.change.Lock()
	defer h.change.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, refusal.New(refusal.Busy, "other operations took too long: try again")
	}
	switch o := operation.(type) {
	case *request.BridgeEnsure:
		if h.Subnets != "" {
			if err := refuseSubnet(h.Subnets, o.Subnet()); err != nil {
				return nil, err
			}
		}
		return nil, network.EnsureBridge(string(o.Bridge), o.Subnet())
	case *request.BridgeDelete:
		return nil, network.DeleteBridge(string(o.Bridge))
	case *request.TapCreate:
		return nil, network.CreateTap(string(o.Tap), string(o.Bridge), h.Owner)
	case *request.TapAssign:
		mac, err := network.AssignTap(string(o.Tap), o.Address.Addr, h.Owner)
		if err != nil {
			return nil, err
		}
		return Result{"mac": mac}, nil
	case *request.TapDelete:
		return nil, network.DeleteTap(string(o.Tap), h.Owner)
	case *request.NatOn:
		return nil, network.NatOn(string(o.Tap), o.Address.Addr, h.Owner)
	case *request.NatOff:
		return nil, network.NatOff(string(o.Tap), h.Owner)
	case *request.ResolverSet:
		if err := network.NeedBridge(string(o.Bridge)); err != nil {
			return nil, err
		}
		return nil, resolver.Set(ctx, string(o.Bridge), o.Server.AddrPort)
	case *request.ResolverClear:
		if err := network.NeedBridge(string(o.Bridge)); err != nil {
			return nil, err
		}
		return nil, resolver.Clear(ctx, string(o.Bridge))
	default:
		return nil, refusal.New(refusal.BadRequest, "the helper cannot do that")
	}
}
