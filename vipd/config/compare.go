package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// compare looks at what only shows between tables.
func (root table) compare(s Settings) {
	root.sharedOnce(s)
	root.ties(s)
	for _, v := range s.VIPs {
		root.reach(v, s.Nodes)
	}
	if len(s.Nodes) == 1 {
		at := root.at.find("node", s.Nodes[0].Name)
		root.warn(at.key, at.path, "the only node; nothing can fail over")
	}
	if len(s.VIPs) == 0 {
		root.warn(root.at.find("vip").key, "vip", "none; there is no address to share")
	}
}

// spot is where the i-th address of a vip stands.
func (root table) spot(v VIP, i int) (offset int, key string) {
	at := root.at.find("vip", v.Name)
	if one, ok := at.children["address"]; ok {
		return one.value, one.path
	}
	many := at.find("addresses")
	return many.item(i), many.path
}

// sharedOnce refuses a shared address that is a node's own, or that is shared twice, and neighbours that are either.
func (root table) sharedOnce(s Settings) {
	owner := map[netip.Addr]string{}
	for _, n := range s.Nodes {
		for _, a := range n.Addresses {
			owner[a] = "an address of node " + n.Name
		}
	}
	for _, v := range s.VIPs {
		for i, p := range v.Addresses {
			if !p.IsValid() {
				continue
			}
			if other, taken := owner[p.Addr()]; taken {
				offset, key := root.spot(v, i)
				root.refuse(offset, key, fmt.Sprintf("%s is %s already", p.Addr(), other), "")
				continue
			}
			owner[p.Addr()] = "an address of vip " + v.Name
		}
	}
	delete(owner, netip.Addr{}) // what was refused is nobody's
	for _, v := range s.VIPs {
		at := root.at.find("vip", v.Name, "prove")
		for i, a := range v.Prove {
			if other, taken := owner[a]; taken {
				root.refuse(at.item(i), at.path, fmt.Sprintf("%s is %s; name a neighbour, such as the gateway", a, other), "")
			}
		}
	}
}

// reach looks at how the nodes that are given no interface for v will find it.
func (root table) reach(v VIP, nodes []Node) {
	for i, p := range v.Addresses {
		if !p.IsValid() {
			continue
		}
		offset, key := root.spot(v, i)
		if p.Addr().IsLinkLocalUnicast() {
			if open := v.open(nodes, nil); open != "" {
				reason := fmt.Sprintf("%s is link-local, which every link has; set interface for %s", p.Addr(), open)
				root.refuse(offset, key, reason, "")
			}
			continue
		}
		if open := v.open(nodes, p.Contains); open != "" && !p.IsSingleIP() {
			root.warn(offset, key, fmt.Sprintf("no address of %s lies in %s; set interface if that is meant", open, p.Masked()))
		}
	}
}

// open names the nodes that have neither an interface for v nor an address that is found near.
func (v VIP) open(nodes []Node, near func(netip.Addr) bool) string {
	var names []string
	for _, n := range nodes {
		_, named := v.Interface[n.Name]
		if !named && (near == nil || !slices.ContainsFunc(n.Addresses, near)) {
			names = append(names, n.Name)
		}
	}
	return strings.Join(names, ", ")
}

// ties warns of equal priorities: once for the nodes' own, and for each vip that has others.
func (root table) ties(s Settings) {
	plain := len(s.VIPs) == 0
	for _, v := range s.VIPs {
		if len(v.Priorities) == 0 {
			plain = true
			continue
		}
		root.tie(s.Nodes, v, root.at.find("vip", v.Name, "priorities"))
	}
	if n := len(s.Nodes); plain && n > 0 {
		root.tie(s.Nodes, VIP{}, root.at.find("node", s.Nodes[n-1].Name, "priority"))
	}
}

// tie warns when two nodes bring the same priority to v.
func (root table) tie(nodes []Node, v VIP, at *place) {
	names := map[int][]string{}
	for _, n := range nodes {
		names[v.Priority(n)] = append(names[v.Priority(n)], n.Name)
	}
	for _, n := range nodes {
		p := v.Priority(n)
		if equal := names[p]; len(equal) > 1 && equal[0] == n.Name {
			root.warn(at.value, at.path, fmt.Sprintf("equal priorities: %s have %d; the name decides, and failback never moves",
				strings.Join(equal, ", "), p))
		}
	}
}
