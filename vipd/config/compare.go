package config

import (
	"fmt"
	"net/netip"
	"strings"
)

// compare looks at what only shows between tables.
func (r *reader) compare(root table, s Settings) {
	r.sharedOnce(root, s)
	r.ties(root, s)
	if len(s.Nodes) == 1 {
		at := root.at.find("node", s.Nodes[0].Name)
		r.warn(at.key, at.path, "the only node; nothing can fail over")
	}
	if len(s.VIPs) == 0 && !root.has("vip") {
		r.warn(0, "vip", "none; there is nothing to share")
	}
}

// sharedOnce refuses a shared address that is a node's own, or that two vips have.
func (r *reader) sharedOnce(root table, s Settings) {
	owner := map[netip.Addr]string{}
	for _, n := range s.Nodes {
		for _, a := range n.Addresses {
			owner[a] = "an address of " + n.Name + ", which never moves"
		}
	}
	for _, v := range s.VIPs {
		at := root.at.find("vip", v.Name)
		for i, p := range v.Addresses {
			if !p.IsValid() {
				continue
			}
			where, key := at.find("addresses").item(i), at.find("addresses").path
			if one, ok := at.children["address"]; ok {
				where, key = one.value, one.path
			}
			if what, taken := owner[p.Addr()]; taken {
				r.refuse(where, key, p.Addr().String()+" is "+what, "")
				continue
			}
			owner[p.Addr()] = "an address of vip " + v.Name + " already"
		}
	}
}

// ties warns of equal priorities: once for the nodes, and for each vip that makes a tie of its own.
func (r *reader) ties(root table, s Settings) {
	own := len(s.VIPs) == 0
	for _, v := range s.VIPs {
		if len(v.Priorities) == 0 {
			own = true
		} else if at := root.at.find("vip", v.Name, "priorities"); true {
			r.tie(s.Nodes, v, at.value, at.path)
		}
	}
	if own && len(s.Nodes) > 0 {
		at := root.at.find("node", s.Nodes[len(s.Nodes)-1].Name, "priority")
		r.tie(s.Nodes, VIP{}, at.value, at.path)
	}
}

// tie warns when two nodes bring the same priority to v.
func (r *reader) tie(nodes []Node, v VIP, offset int, key string) {
	names := map[int][]string{}
	for _, n := range nodes {
		p := v.Priority(n)
		names[p] = append(names[p], n.Name)
	}
	for _, n := range nodes {
		p := v.Priority(n)
		if equal := names[p]; len(equal) > 1 && equal[0] == n.Name {
			r.warn(offset, key, fmt.Sprintf("equal priorities: %s have %d; the name decides, and failback never moves",
				strings.Join(equal, ", "), p))
		}
	}
}
