package sharedip

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// choose finds the interface that is to carry a: the one it names, or else the
// one that has both a prefix that contains it and an address of this node.
func choose(v *view, own []netip.Addr, a Address) (link, error) {
	if a.Interface != "" {
		return named(v, a)
	}
	var found []link
	for _, l := range v.links {
		if connected(v, l.Index, a.Prefix.Addr()) && carriesOwn(v, l.Index, own) {
			found = append(found, l)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		if err := off6(v, own, a); err != nil {
			return link{}, err
		}
		return link{}, fmt.Errorf("%s: no interface has both a network that contains it and an address of this node (%s): set interface",
			a.Prefix.Addr(), v.describe())
	}
	return link{}, fmt.Errorf("%s: more than one interface is on its network (%s): set interface",
		a.Prefix.Addr(), names(found))
}

// off6 is why no interface with an address of this node is on the network of an IPv6
// address: one of them has no IPv6, and so no network of that.
func off6(v *view, own []netip.Addr, a Address) error {
	for _, l := range v.links {
		if text := hindrance6(l); a.Prefix.Addr().Is6() && text != "" && carriesOwn(v, l.Index, own) {
			return unable{a.Prefix.Addr(), text}
		}
	}
	return nil
}

func named(v *view, a Address) (link, error) {
	for _, l := range v.links {
		if l.Name == a.Interface {
			return l, nil
		}
	}
	return link{}, fmt.Errorf("%s: there is no interface %q (there is %s)", a.Prefix.Addr(), a.Interface, names(v.links))
}

// connected reports whether the interface has a network that contains addr. The
// address itself, as /32 or /128, is no network.
func connected(v *view, index int, addr netip.Addr) bool {
	return slices.ContainsFunc(v.addresses, func(a address) bool {
		return a.index == index && !a.prefix.IsSingleIP() && a.prefix.Contains(addr)
	})
}

func carriesOwn(v *view, index int, own []netip.Addr) bool {
	return slices.ContainsFunc(v.addresses, func(a address) bool {
		return a.index == index && slices.Contains(own, a.prefix.Addr())
	})
}

func names(links []link) string {
	var s []string
	for _, l := range links {
		s = append(s, l.Name)
	}
	return strings.Join(s, ", ")
}

// describe lists the interfaces with the networks they are on.
func (v *view) describe() string {
	var s []string
	for _, l := range v.links {
		words := []string{l.Name}
		for _, a := range v.addresses {
			if a.index == l.Index && !a.prefix.Addr().IsLinkLocalUnicast() {
				words = append(words, a.prefix.String())
			}
		}
		if len(words) == 1 {
			words = append(words, "without address")
		}
		s = append(s, strings.Join(words, " "))
	}
	return strings.Join(s, ", ")
}
