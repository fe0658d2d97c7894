package sharedip

import (
	"fmt"
	"net/netip"
	"slices"
	"vipd/sharedip/rtnl"
)

// choose finds the interface that is to carry a: the one it names, or else the
// one that has both a prefix that contains it and an address of this node.
func choose(v *rtnl.Host, own []netip.Addr, a Address) (rtnl.Link, error) {
	if a.Interface != "" {
		return named(v, a)
	}
	var found []rtnl.Link
	for _, l := range v.Links {
		if rtnl.IsConnected(v, l.Index, a.Prefix.Addr()) && carriesOwn(v, l.Index, own) {
			found = append(found, l)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		if err := off6(v, own, a); err != nil {
			return rtnl.Link{}, err
		}
		return rtnl.Link{}, fmt.Errorf("%s: no interface has both a network that contains it and an address of this node (%s): set interface",
			a.Prefix.Addr(), v.Describe())
	}
	return rtnl.Link{}, fmt.Errorf("%s: more than one interface is on its network (%s): set interface",
		a.Prefix.Addr(), rtnl.LinkNames(found))
}

// off6 is why no interface with an address of this node is on the network of an IPv6
// address: one of them has no IPv6, and so no network of that.
func off6(v *rtnl.Host, own []netip.Addr, a Address) error {
	for _, l := range v.Links {
		if text := hindrance6(l); a.Prefix.Addr().Is6() && text != "" && carriesOwn(v, l.Index, own) {
			return unable{a.Prefix.Addr(), text}
		}
	}
	return nil
}

func named(v *rtnl.Host, a Address) (rtnl.Link, error) {
	for _, l := range v.Links {
		if l.Name == a.Interface {
			return l, nil
		}
	}
	return rtnl.Link{}, fmt.Errorf("%s: there is no interface %q (there is %s)", a.Prefix.Addr(), a.Interface, rtnl.LinkNames(v.Links))
}

func carriesOwn(v *rtnl.Host, index int, own []netip.Addr) bool {
	return slices.ContainsFunc(v.Addresses, func(a rtnl.Address) bool {
		return a.Index == index && slices.Contains(own, a.Prefix.Addr())
	})
}
