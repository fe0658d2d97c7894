package preflight

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"vipd/vipd/config"
	"vipd/vipd/control"
)

// FindSelf finds this node: the one named, or the one whose addresses are here. A name that
// contradicts the addresses of this host is refused: two hosts that run as one node do not
// hear each other.
func FindSelf(s config.Settings, name string) (config.Node, error) {
	local, err := localAddresses()
	if err != nil {
		return config.Node{}, err
	}
	if name == "" {
		return s.Self(local)
	}
	n, ok := s.Node(name)
	if !ok {
		var names []string
		for _, n := range s.Nodes {
			names = append(names, n.Name)
		}
		return n, control.Errorf(control.CodeUsage, "--node %s: no such node in the configuration; the nodes are: %s", name, strings.Join(names, ", "))
	}
	if other, address, clash := otherNode(s, n, local); clash && !has(local, n.Addresses) {
		return n, control.Errorf(control.CodeInvalid, "--node %s: this host has %s, an address of node %s, and none of node %s: run it as --node %s, or leave --node away; two hosts must not run as the same node",
			name, address, other.Name, name, other.Name)
	}
	return n, nil
}

// localAddresses are this host's, without zones.
func localAddresses() (list []netip.Addr, err error) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("look at this host's addresses: %w", err)
	}
	for _, a := range addresses {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			list = append(list, p.Addr().Unmap())
		}
	}
	return list, nil
}

// otherNode finds an address of this host that the configuration gives to another node.
func otherNode(s config.Settings, self config.Node, local []netip.Addr) (config.Node, netip.Addr, bool) {
	for _, n := range s.Nodes {
		if n.Slot == self.Slot {
			continue
		}
		for _, a := range n.Addresses {
			if has(local, []netip.Addr{a}) {
				return n, a, true
			}
		}
	}
	return config.Node{}, netip.Addr{}, false
}

// Clash says which address of this host the configuration gives to another node than self,
// and to which; "" if there is none. An error means that the addresses cannot be read now.
func Clash(s config.Settings, self config.Node) (text string, err error) {
	local, err := localAddresses()
	if err != nil {
		return "", err
	}
	if n, address, found := otherNode(s, self, local); found {
		text = fmt.Sprintf("this host runs as node %s but also has %s, an address of node %s: remove it, or run as that node", self.Name, address, n.Name)
	}
	return text, nil
}

// has reports whether this host has one of the addresses.
func has(local, any []netip.Addr) bool {
	return slices.ContainsFunc(any, func(a netip.Addr) bool { return slices.Contains(local, a) })
}
