package request

import "net/netip"

// Operation is one of the operations of this file, with values that are checked.
type Operation interface {
	// check looks at the values together, and at those that are missing.
	check() error
}

// Status asks whether the helper works, and which version it is.
type Status struct{}

// BridgeEnsure makes a bridge, unless it exists, with this address of the host.
type BridgeEnsure struct {
	Bridge  Bridge       `json:"bridge"`
	Address Address      `json:"address"`
	Prefix  PrefixLength `json:"prefix"`
}

// BridgeDelete deletes a bridge that has no taps any more.
type BridgeDelete struct {
	Bridge Bridge `json:"bridge"`
}

// TapCreate makes a tap of the owner on a bridge, unless it exists. Until an address is assigned, nothing
// that its guest sends goes anywhere.
type TapCreate struct {
	Tap    Tap    `json:"tap"`
	Bridge Bridge `json:"bridge"`
}

// TapAssign lets the guest of a tap send from this address, and from no other.
type TapAssign struct {
	Tap     Tap     `json:"tap"`
	Address Address `json:"address"`
}

// TapDelete deletes a tap, and all rules about it.
type TapDelete struct {
	Tap Tap `json:"tap"`
}

// NatOn lets the guest of a tap, which has this address, reach other networks.
type NatOn struct {
	Tap     Tap     `json:"tap"`
	Address Address `json:"address"`
}

// NatOff takes that away.
type NatOff struct {
	Tap Tap `json:"tap"`
}

// ResolverSet makes the host's resolver ask this server for names under "vm".
type ResolverSet struct {
	Bridge Bridge `json:"bridge"`
	Server Server `json:"server"`
}

// ResolverClear undoes ResolverSet.
type ResolverClear struct {
	Bridge Bridge `json:"bridge"`
}

// operations has a new value for each name. This list is closed: nothing else is ever done for a caller.
var operations = map[string]func() Operation{
	"status":         func() Operation { return &Status{} },
	"bridge.ensure":  func() Operation { return &BridgeEnsure{} },
	"bridge.delete":  func() Operation { return &BridgeDelete{} },
	"tap.create":     func() Operation { return &TapCreate{} },
	"tap.assign":     func() Operation { return &TapAssign{} },
	"tap.delete":     func() Operation { return &TapDelete{} },
	"nat.on":         func() Operation { return &NatOn{} },
	"nat.off":        func() Operation { return &NatOff{} },
	"resolver.set":   func() Operation { return &ResolverSet{} },
	"resolver.clear": func() Operation { return &ResolverClear{} },
}

// Subnet returns the bridge's subnet, with the host's address in it.
func (b *BridgeEnsure) Subnet() netip.Prefix {
	return netip.PrefixFrom(b.Address.Addr, int(b.Prefix))
}

func (*Status) check() error { return nil }

func (b *BridgeEnsure) check() error {
	if err := need("bridge", b.Bridge != "", "address", b.Address.IsValid(), "prefix", b.Prefix != 0); err != nil {
		return err
	}
	_, err := subnet(b.Address, b.Prefix)
	return err
}

func (b *BridgeDelete) check() error { return need("bridge", b.Bridge != "") }

func (t *TapCreate) check() error { return need("tap", t.Tap != "", "bridge", t.Bridge != "") }

func (t *TapAssign) check() error { return need("tap", t.Tap != "", "address", t.Address.IsValid()) }

func (t *TapDelete) check() error { return need("tap", t.Tap != "") }

func (n *NatOn) check() error { return need("tap", n.Tap != "", "address", n.Address.IsValid()) }

func (n *NatOff) check() error { return need("tap", n.Tap != "") }

func (r *ResolverSet) check() error {
	return need("bridge", r.Bridge != "", "server", r.Server.IsValid())
}

func (r *ResolverClear) check() error { return need("bridge", r.Bridge != "") }
