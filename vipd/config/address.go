package config

import (
	"net/netip"
	"strings"
)

// hostAddress parses one element of an array as an address that one host can have; it is invalid when refused.
func (t table) hostAddress(key string, i int, text string) (netip.Addr, bool) {
	if text == "" { // refused by list
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(text)
	reason := unusable(a)
	switch {
	case err != nil && strings.Contains(text, "/"):
		reason = "has a prefix length; only the address belongs here"
	case err != nil:
		reason = "is no IP address"
	}
	if reason != "" {
		t.wrongItem(key, i, "%q %s", text, reason)
		return netip.Addr{}, false
	}
	return a, true
}

// unusable says why a cannot be the address of a host, or nothing.
func unusable(a netip.Addr) string {
	switch {
	case a.Zone() != "":
		return "has a zone; leave out what follows %"
	case a.Is4In6():
		return "is IPv4 in IPv6 form; write it as " + a.Unmap().String()
	case a.IsUnspecified():
		return "is the unspecified address"
	case a.IsLoopback():
		return "is a loopback address; no other host reaches it"
	case a.IsMulticast():
		return "is a multicast address; a host needs a unicast one"
	case a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "is the broadcast address"
	}
	return ""
}

// shared parses an address that moves, with the length of its network or without. The prefix is invalid when there is
// a reason against it.
func shared(text string) (p netip.Prefix, reason string) {
	if a, err := netip.ParseAddr(text); err == nil {
		p = netip.PrefixFrom(a.WithZone(""), a.BitLen())
		reason = unusable(a)
	} else if p, err = netip.ParsePrefix(text); err != nil {
		reason = "is no address; expected one such as 192.0.2.10/24"
	} else if reason = unusable(p.Addr()); reason == "" {
		reason = edge(p)
	}
	if reason != "" {
		return netip.Prefix{}, reason
	}
	return p, ""
}

// edge says why the address is not a host's within its own network, or nothing.
func edge(p netip.Prefix) string {
	first := p.Addr() == p.Masked().Addr()
	switch {
	case p.Bits() == 0:
		return "has a prefix of length 0, which is every network"
	case p.Addr().BitLen()-p.Bits() < 2: // links of two hosts have no edge: RFC 3021, RFC 6164
		return ""
	case first && p.Addr().Is4():
		return "is the address of the network itself"
	case first:
		return "is the anycast address of the network's routers"
	case p.Addr().Is4() && !p.Contains(p.Addr().Next()):
		return "is the broadcast address of its network"
	}
	return ""
}

func family(a netip.Addr) string {
	if a.Is4() {
		return "IPv4"
	}
	return "IPv6"
}
