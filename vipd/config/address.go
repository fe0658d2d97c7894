package config

import (
	"net/netip"
	"strings"
)

// hostAddress parses one element of an array as an address that one host can have.
func (t table) hostAddress(key string, i int, text string) (netip.Addr, bool) {
	if text == "" { // refused by list
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(text)
	switch {
	case err != nil && strings.Contains(text, "/"):
		t.wrongItem(key, i, "%q has a prefix length; only the address belongs here", text)
	case err != nil:
		t.wrongItem(key, i, "%q is no IP address", text)
	default:
		if reason := unusable(a); reason != "" {
			t.wrongItem(key, i, "%s %s", text, reason)
			return a, false
		}
	}
	return a, err == nil
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

// shared parses an address that moves, with the length of its network or without.
func shared(text string) (p netip.Prefix, reason string) {
	if !strings.Contains(text, "/") {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return p, "is no IP address; expected one such as 192.0.2.10/24"
		}
		p = netip.PrefixFrom(a.WithZone(""), a.BitLen())
		return p, unusable(a)
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, "is no address with a prefix length; expected one such as 192.0.2.10/24"
	}
	if reason := unusable(p.Addr()); reason != "" {
		return p, reason
	}
	return p, edge(p)
}

// edge says why the address is not a host's within its own network, or nothing.
func edge(p netip.Prefix) string {
	host := p.Addr().BitLen() - p.Bits()
	switch {
	case p.Bits() == 0:
		return "has a prefix of length 0, which is every network"
	case host < 2: // point-to-point and single-host networks have no edge: RFC 3021, RFC 6164
		return ""
	case p.Addr() == p.Masked().Addr() && p.Addr().Is4():
		return "is the address of the network itself"
	case p.Addr() == p.Masked().Addr():
		return "is the anycast address of the network's routers"
	case p.Addr().Is4() && !p.Contains(p.Addr().Next()):
		return "is the broadcast address of its network"
	}
	return ""
}
