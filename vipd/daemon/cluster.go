package daemon

import (
	"fmt"
	"net/netip"
	"slices"

	"vipd/sharedip"
	"vipd/token"
	"vipd/vipd/config"
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
		s := token.Spec{Name: v.Token(), ID: token.ID(v.Token()), Bits: bits(v), Askable: true, FailbackDelay: v.FailbackDelay, FailbackCap: v.FailbackMaxPerHour}
		for place, n := range c.settings.Nodes {
			s.Members = append(s.Members, token.Member{Slot: n.Slot, Priority: v.Priority(n), Place: place})
		}
		list = append(list, s)
	}
	return list
}

func bits(v config.VIP) (b token.Bits) {
	for _, bit := range []struct {
		on  bool
		bit token.Bits
	}{{v.AllowMultiple, token.AllowMultiple}, {v.AutoFailback, token.AutoFailback}, {v.DisableInheritance, token.DisableInheritance}} {
		if bit.on {
			b |= bit.bit
		}
	}
	return b
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
