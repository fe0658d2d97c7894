package daemon

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"vipd/services"
	guard "vipd/services/keeper"
	"vipd/sharedip"
	"vipd/token"
	"vipd/vipd/config"
	"vipd/vipd/node"
)

// cluster is the configuration as this node sees it: names for the numbers that
// the machines speak of.
type cluster struct {
	settings config.Settings
	self     config.Node
}

func (c *cluster) node(slot uint8) string {
	for _, n := range c.settings.Nodes {
		if n.Slot == slot {
			return n.Name
		}
	}
	if slot == 0 {
		return ""
	}
	return fmt.Sprintf("node %d", slot)
}

func (c *cluster) slot(name string) uint8 {
	n, _ := c.settings.Node(name)
	return n.Slot
}

func (c *cluster) vip(name string) (config.VIP, bool) {
	i := slices.IndexFunc(c.settings.VIPs, func(v config.VIP) bool { return v.Token() == name })
	if i < 0 {
		return config.VIP{}, false
	}
	return c.settings.VIPs[i], true
}

func (c *cluster) peers() (slots []uint8) {
	for _, n := range c.settings.Nodes {
		if n.Slot != c.self.Slot {
			slots = append(slots, n.Slot)
		}
	}
	return slots
}

// slotOf finds the node that has the address on one of its paths, 0 if none.
func (c *cluster) slotOf(a netip.Addr) uint8 {
	for _, n := range c.settings.Nodes {
		if slices.Contains(n.Addresses, a) {
			return n.Slot
		}
	}
	return 0
}

// others are the other nodes' addresses on all paths.
func (c *cluster) others() (list []netip.Addr) {
	for _, n := range c.settings.Nodes {
		if n.Slot != c.self.Slot {
			list = append(list, n.Addresses...)
		}
	}
	return list
}

// shared are the addresses of every vip.
func (c *cluster) shared() (list []netip.Addr) {
	for _, v := range c.settings.VIPs {
		for _, p := range v.Addresses {
			list = append(list, p.Addr())
		}
	}
	return list
}

// specs are the tokens that the file asks for.
func (c *cluster) specs() (list []token.Spec) {
	for _, v := range c.settings.VIPs {
		list = append(list, token.Spec{Name: v.Token(), ID: token.ID(v.Token()), Members: c.members(v.Priority), Probeable: true, Network: c.network(v),
			Bits:          bits(v.AllowMultiple, v.AutoFailback, v.DisableInheritance),
			FailbackDelay: v.FailbackDelay, FailbackCap: v.FailbackMaxPerHour})
	}
	for _, g := range c.settings.Groups {
		list = append(list, token.Spec{Name: g.Token(), ID: token.ID(g.Token()), Members: c.members(g.Priority), StopBeforeRelease: true, Linger: linger,
			Bits:          bits(g.Both, g.AutoFailback, g.DisableInheritance),
			FailbackDelay: g.FailbackDelay, FailbackCap: g.FailbackMaxPerHour})
	}
	return list
}

// network numbers the networks that the addresses are on, alike for those that are on
// the same ones by the same interface.
func (c *cluster) network(v config.VIP) uint64 {
	networks := []string{}
	for _, p := range v.Addresses {
		networks = append(networks, p.Masked().String())
	}
	slices.Sort(networks)
	return token.ID(fmt.Sprint(v.Interface[c.self.Name], slices.Compact(networks)))
}

// linger is how long processes of a group may live after their lease: until the
// keeper has killed them.
const linger = guard.Grace + 100*time.Millisecond

func (c *cluster) members(priority func(config.Node) int) (list []token.Member) {
	for place, n := range c.settings.Nodes {
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

// services are the groups that the file asks for, and what depends on them.
func (c *cluster) services() node.Services {
	s := node.Services{Requires: map[string][]string{}}
	for _, g := range c.settings.Groups {
		one := node.Group{Token: g.Token(), Spec: services.Spec{Name: g.Name, Units: g.Units, After: g.After, StartGrace: g.StartGrace,
			Restart: services.Allowance(g.Restart), StopTimeout: g.StopTimeout}}
		for _, check := range g.Checks {
			one.Spec.Checks = append(one.Spec.Checks, services.Check{Name: check.Target, Rise: check.Rise, Fall: check.Fall})
		}
		for _, other := range g.With {
			one.With = append(one.With, groupPrefix+other)
		}
		s.Groups = append(s.Groups, one)
	}
	for _, v := range c.settings.VIPs {
		if len(v.Requires) > 0 {
			s.Requires[v.Token()] = v.Requires
		}
	}
	return s
}

// sets are the addresses of each token on this host.
func (c *cluster) sets() (list []sharedip.Set) {
	for _, v := range c.settings.VIPs {
		set := sharedip.Set{Token: v.Token(), Prove: v.Prove}
		for _, p := range v.Addresses {
			set.Addresses = append(set.Addresses, sharedip.Address{Prefix: p, Interface: v.Interface[c.self.Name]})
		}
		list = append(list, set)
	}
	return list
}
