package cluster

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"vipd/services"
	"vipd/services/watchdog"
	"vipd/sharedip"
	"vipd/token"
	"vipd/vipd/config"
	"vipd/vipd/node"
)

// View is one configuration as one node sees it. It never changes: a reload makes another
// View.
type View struct {
	Settings config.Settings
	Self     config.Node // one of Settings.Nodes
}

// New is the configuration as the node self sees it.
func New(settings config.Settings, self config.Node) *View { return &View{settings, self} }

// NodeName returns the name of the node with the slot: "" for slot 0, and "node N" for a
// slot that the configuration does not have.
func (c *View) NodeName(slot uint8) string {
	for _, n := range c.Settings.Nodes {
		if n.Slot == slot {
			return n.Name
		}
	}
	if slot == 0 {
		return ""
	}
	return fmt.Sprintf("node %d", slot)
}

// Slot returns the slot of the named node, 0 if there is none.
func (c *View) Slot(name string) uint8 {
	n, _ := c.Settings.Node(name)
	return n.Slot
}

// VIP returns the vip that has the named token.
func (c *View) VIP(name string) (config.VIP, bool) {
	i := slices.IndexFunc(c.Settings.VIPs, func(v config.VIP) bool { return v.Token() == name })
	if i < 0 {
		return config.VIP{}, false
	}
	return c.Settings.VIPs[i], true
}

// Peers are the slots of the other nodes.
func (c *View) Peers() (slots []uint8) {
	for _, n := range c.Settings.Nodes {
		if n.Slot != c.Self.Slot {
			slots = append(slots, n.Slot)
		}
	}
	return slots
}

// SlotOf finds the node that has the address on one of its paths, 0 if none.
func (c *View) SlotOf(a netip.Addr) uint8 {
	for _, n := range c.Settings.Nodes {
		if slices.Contains(n.Addresses, a) {
			return n.Slot
		}
	}
	return 0
}

// PeerAddresses are the other nodes' addresses on all paths.
func (c *View) PeerAddresses() (list []netip.Addr) {
	for _, n := range c.Settings.Nodes {
		if n.Slot != c.Self.Slot {
			list = append(list, n.Addresses...)
		}
	}
	return list
}

// SharedAddresses are the addresses of every vip.
func (c *View) SharedAddresses() (list []netip.Addr) {
	for _, v := range c.Settings.VIPs {
		for _, p := range v.Addresses {
			list = append(list, p.Addr())
		}
	}
	return list
}

// TokenSpecs are the tokens that the file asks for.
func (c *View) TokenSpecs() (list []token.Spec) {
	for _, v := range c.Settings.VIPs {
		list = append(list, token.Spec{Name: v.Token(), ID: token.ID(v.Token()), Members: c.members(v.Priority), Probeable: true, Network: c.network(v),
			Bits:          bits(v.AllowMultiple, v.AutoFailback, v.DisableInheritance),
			FailbackDelay: v.FailbackDelay, FailbackCap: v.FailbackMaxPerHour})
	}
	for _, g := range c.Settings.Groups {
		list = append(list, token.Spec{Name: g.Token(), ID: token.ID(g.Token()), Members: c.members(g.Priority), StopBeforeRelease: true, Linger: linger,
			Bits:          bits(g.Both, g.AutoFailback, g.DisableInheritance),
			FailbackDelay: g.FailbackDelay, FailbackCap: g.FailbackMaxPerHour})
	}
	return list
}

// network numbers the networks that the addresses are on, alike for those that are on
// the same ones by the same interface.
func (c *View) network(v config.VIP) uint64 {
	networks := []string{}
	for _, p := range v.Addresses {
		networks = append(networks, p.Masked().String())
	}
	slices.Sort(networks)
	return token.ID(fmt.Sprint(v.Interface[c.Self.Name], slices.Compact(networks)))
}

// linger is how long processes of a group may live after their lease: until the
// keeper has killed them.
const linger = watchdog.Grace + 100*time.Millisecond

func (c *View) members(priority func(config.Node) int) (list []token.Member) {
	for place, n := range c.Settings.Nodes {
		list = append(list, token.Member{Slot: n.Slot, Priority: priority(n), Place: place})
	}
	return list
}

func bits(multiple, failback, lasting bool) (b token.Bits) {
	for _, bit := range []struct {
		on  bool
		bit token.Bits
	}{{multiple, token.AllowMultiple}, {failback, token.AutoFailback}, {lasting, token.DisableInheritance}} {
		if bit.on {
			b |= bit.bit
		}
	}
	return b
}

// Services are the groups that the file asks for, and what depends on them.
func (c *View) Services() node.Services {
	s := node.Services{Requires: map[string][]string{}}
	for _, g := range c.Settings.Groups {
		one := node.Group{Token: g.Token(), Spec: services.Spec{Name: g.Name, Units: g.Units, After: g.After, StartGrace: g.StartGrace,
			Restart: services.Allowance(g.Restart), StopTimeout: g.StopTimeout}}
		for _, check := range g.Checks {
			one.Spec.Checks = append(one.Spec.Checks, services.Check{Name: check.Target, Rise: check.Rise, Fall: check.Fall})
		}
		for _, other := range g.With {
			one.With = append(one.With, GroupPrefix+other)
		}
		s.Groups = append(s.Groups, one)
	}
	for _, v := range c.Settings.VIPs {
		if len(v.Requires) > 0 {
			s.Requires[v.Token()] = v.Requires
		}
	}
	return s
}

// AddressSets are the addresses of each token on this host.
func (c *View) AddressSets() (list []sharedip.Set) {
	for _, v := range c.Settings.VIPs {
		set := sharedip.Set{Token: v.Token(), Prove: v.Prove}
		for _, p := range v.Addresses {
			set.Addresses = append(set.Addresses, sharedip.Address{Prefix: p, Interface: v.Interface[c.Self.Name]})
		}
		list = append(list, set)
	}
	return list
}

// GroupPrefix is what the name of a group's token begins with.
const GroupPrefix = "group:"

// ExecUnit is what the text of a unit that is a process, or a check that is one, begins with.
const ExecUnit = "exec:"

// Guarded reports whether processes of the group must not outlive its lease: there is
// one holder at most.
func Guarded(g config.Group) bool { return !g.Both }
