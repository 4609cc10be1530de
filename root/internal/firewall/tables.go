// Package firewall keeps the rules of our bridges and taps, in tables of our own:
//
//	table inet banger                       table bridge banger
//	  forward: between bridge and networks    guests: what a guest may send: its own address only
//	  input: from guests to this host
//	  postrouting: one masquerade rule for each guest with NAT
//
// Every rule has a comment that says whose it is: the name of a bridge or of a tap. Rules of others are never
// read nor changed.
package firewall

import (
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
)

// Name is the name of both tables.
const Name = "banger"

var (
	inet    = &nftables.Table{Name: Name, Family: nftables.TableFamilyINet}
	bridge  = &nftables.Table{Name: Name, Family: nftables.TableFamilyBridge}
	forward = chain(inet, "forward", nftables.ChainHookForward, nftables.ChainPriorityFilter)
	input   = chain(inet, "input", nftables.ChainHookInput, nftables.ChainPriorityFilter)
	nat     = &nftables.Chain{
		Table: inet, Name: "postrouting", Type: nftables.ChainTypeNAT,
		Hooknum: nftables.ChainHookPostrouting, Priority: nftables.ChainPriorityNATSource,
	}
	guests = chain(bridge, "guests", nftables.ChainHookPrerouting, nftables.ChainPriorityFilter)
	chains = []*nftables.Chain{forward, input, nat, guests}
)

func chain(table *nftables.Table, name string, hook *nftables.ChainHook, priority *nftables.ChainPriority) *nftables.Chain {
	return &nftables.Chain{Table: table, Name: name, Type: nftables.ChainTypeFilter, Hooknum: hook, Priority: priority}
}

// batch is a change of our rules that the kernel makes whole, or not at all.
type batch struct {
	conn  *nftables.Conn
	rules map[*nftables.Chain][]*nftables.Rule
}

// begin reads our rules. With `make`, chains that are missing are made by the batch.
func begin(makeChains bool) (*batch, error) {
	conn, err := nftables.New()
	if err != nil {
		return nil, fmt.Errorf("the kernel has no nftables: %w", err)
	}
	existing, err := ownChains(conn)
	if err != nil {
		return nil, err
	}
	made := &batch{conn: conn, rules: map[*nftables.Chain][]*nftables.Rule{}}
	for _, chain := range chains {
		if existing[key(chain)] {
			rules, err := conn.GetRules(chain.Table, chain)
			if err != nil {
				return nil, fmt.Errorf("reading the rules of %s: %w", chain.Name, err)
			}
			made.rules[chain] = rules
		} else if makeChains {
			conn.AddTable(chain.Table)
			conn.AddChain(chain)
		}
	}
	return made, nil
}

func ownChains(conn *nftables.Conn) (map[string]bool, error) {
	found := map[string]bool{}
	for _, family := range []nftables.TableFamily{inet.Family, bridge.Family} {
		listed, err := conn.ListChainsOfTableFamily(family)
		if err != nil {
			return nil, fmt.Errorf("reading the chains: %w", err)
		}
		for _, chain := range listed {
			found[key(chain)] = true
		}
	}
	return found, nil
}

func key(chain *nftables.Chain) string {
	return fmt.Sprintf("%d %s %s", chain.Table.Family, chain.Table.Name, chain.Name)
}

// first adds a rule before all others of its chain; last adds one behind them.
func (b *batch) first(chain *nftables.Chain, owner string, parts ...[]expr.Any) {
	b.conn.InsertRule(rule(chain, owner, parts))
}

func (b *batch) last(chain *nftables.Chain, owner string, parts ...[]expr.Any) {
	b.conn.AddRule(rule(chain, owner, parts))
}

func rule(chain *nftables.Chain, owner string, parts [][]expr.Any) *nftables.Rule {
	comment := userdata.AppendString(nil, userdata.TypeComment, owner)
	return &nftables.Rule{Table: chain.Table, Chain: chain, Exprs: join(parts...), UserData: comment}
}

// remove deletes the rules of `owner`, of these chains.
func (b *batch) remove(owner string, from ...*nftables.Chain) error {
	for _, chain := range from {
		for _, rule := range b.rules[chain] {
			if comment, has := userdata.GetString(rule.UserData, userdata.TypeComment); !has || comment != owner {
				continue
			}
			rule.Table, rule.Chain = chain.Table, chain
			if err := b.conn.DelRule(rule); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *batch) commit() error {
	if err := b.conn.Flush(); err != nil {
		return fmt.Errorf("changing the rules: %w", err)
	}
	return nil
}
