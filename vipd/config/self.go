package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Self finds which node this host is: the one that has an address among local, the addresses of the host.
// The error, when none or two match, lists both sides.
func (s Settings) Self(local []netip.Addr) (Node, error) {
	var mine []Node
	for _, n := range s.Nodes {
		if slices.ContainsFunc(n.Addresses, func(a netip.Addr) bool { return has(local, a) }) {
			mine = append(mine, n)
		}
	}
	switch len(mine) {
	case 1:
		return mine[0], nil
	case 0:
		return Node{}, fmt.Errorf("this host is none of the nodes: it has %s; the nodes have %s",
			joined(local), listed(s.Nodes))
	default:
		return Node{}, fmt.Errorf("this host is more than one node: it has %s; that matches %s",
			joined(local), listed(mine))
	}
}

// has compares without zone and without the IPv4-in-IPv6 form, in which some interfaces of the kernel report.
func has(local []netip.Addr, want netip.Addr) bool {
	return slices.ContainsFunc(local, func(a netip.Addr) bool { return a.Unmap().WithZone("") == want })
}

func listed(nodes []Node) string {
	each := make([]string, len(nodes))
	for i, n := range nodes {
		each[i] = n.Name + " " + joined(n.Addresses)
	}
	return strings.Join(each, "; ")
}

func joined(addrs []netip.Addr) string {
	if len(addrs) == 0 {
		return "no address"
	}
	each := make([]string, len(addrs))
	for i, a := range addrs {
		each[i] = a.String()
	}
	return strings.Join(each, ", ")
}
