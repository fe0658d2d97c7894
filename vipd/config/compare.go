package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// compare looks at what only shows between tables.
func (root table) compare(s Settings) {
	root.tokens(s)
	owner := root.sharedOnce(s)
	root.neighboursApart(s.VIPs, owner)
	root.asksHere(s.Groups, owner)
	root.ties(s)
	for _, v := range s.VIPs {
		root.reach(v, s.Nodes)
	}
	if len(s.Nodes) == 1 {
		at := root.at.find("node", s.Nodes[0].Name)
		root.warn(at.key, at.path, "the only node; nothing can fail over")
	}
	if len(s.VIPs)+len(s.Groups) == 0 {
		root.warn(root.at.find("vip").key, "vip", "none; there is no address to share")
	}
}

// tokens refuses more of them than the nodes can talk about.
func (root table) tokens(s Settings) {
	at := root.at.find("vip")
	if len(s.VIPs) <= MaxTokens {
		at = root.at.find("group")
	}
	if n := len(s.VIPs) + len(s.Groups); n > MaxTokens {
		root.refuse(at.key, at.path, fmt.Sprintf("%d tokens are too many; at most %d", n, MaxTokens), "")
	} else if n > fastTokens && s.Heartbeat.Interval < fastInterval {
		at := root.at.find("vip")
		root.warn(at.key, "vip", fmt.Sprintf("%d tokens are more than a host can follow at an interval of %v; addresses that move together can be one vip, at most %d",
			n, s.Heartbeat.Interval, MaxAddresses))
	}
}

// What is decided about one token, and said of it, costs some microseconds at every
// message: with more tokens than these, and shorter intervals, hosts lose their turn.
const (
	fastTokens   = 256
	fastInterval = 20 * time.Millisecond
)

// spot is where the i-th address of a vip stands.
func (root table) spot(v VIP, i int) (offset int, key string) {
	at := root.at.find("vip", v.Name)
	if one, ok := at.children["address"]; ok {
		return one.value, one.path
	}
	many := at.find("addresses")
	return many.item(i), many.path
}

// sharedOnce refuses a shared address that is a node's own, or that is shared twice, and returns whose each one is.
func (root table) sharedOnce(s Settings) (owner map[netip.Addr]string) {
	owner = map[netip.Addr]string{}
	for _, n := range s.Nodes {
		for _, a := range n.Addresses {
			owner[a] = "an address of node " + n.Name
		}
	}
	perLink := map[onInterface]string{}
	for _, v := range s.VIPs {
		for i, p := range v.Addresses {
			if !p.IsValid() {
				continue
			}
			other, taken := owner[p.Addr()]
			if p.Addr().IsLinkLocalUnicast() {
				other, taken = v.linkLocalTwice(p.Addr(), s.Nodes, perLink, owner)
			}
			if taken {
				offset, key := root.spot(v, i)
				root.refuse(offset, key, fmt.Sprintf("%s is %s already", p.Addr(), other), "")
				continue
			}
			owner[p.Addr()] = "an address of vip " + v.Name
		}
	}
	delete(owner, netip.Addr{}) // what was refused is nobody's
	return owner
}

// onInterface is a link-local address where one node would have it.
type onInterface struct {
	addr       netip.Addr
	node, name string
}

// linkLocalTwice tells whose the address of v is already on an interface of some node: a
// link-local address is another one on each (RFC 4291 section 2.5.6). A node's own is none to
// be shared anywhere.
func (v VIP) linkLocalTwice(addr netip.Addr, nodes []Node, seen map[onInterface]string, owner map[netip.Addr]string) (other string, taken bool) {
	for _, n := range nodes {
		if slices.Contains(n.Addresses, addr) {
			return owner[addr], true
		}
		at := onInterface{addr, n.Name, v.Interface[n.Name]}
		if other, taken = seen[at]; taken {
			return other, true
		}
	}
	for _, n := range nodes {
		seen[onInterface{addr, n.Name, v.Interface[n.Name]}] = "an address of vip " + v.Name
	}
	return "", false
}

// neighboursApart refuses a neighbour that is a node or a shared address.
func (root table) neighboursApart(vips []VIP, owner map[netip.Addr]string) {
	for _, v := range vips {
		at := root.at.find("vip", v.Name, "prove")
		for i, a := range v.Prove {
			if other, taken := owner[a]; taken {
				root.refuse(at.item(i), at.path, fmt.Sprintf("%s is %s; name a neighbour, such as the gateway", a, other), "")
			}
		}
	}
}

// asksHere warns of a check whose address is not that of every node.
func (root table) asksHere(groups []Group, owner map[netip.Addr]string) {
	for _, g := range groups {
		at := root.at.find("group", g.Name, "check")
		for i, c := range g.Checks {
			if a := c.address(); owner[a] != "" {
				root.warn(at.item(i), at.path, fmt.Sprintf("%s is %s; the check asks there from every node, so take 127.0.0.1", a, owner[a]))
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

// ties warns of equal priorities: once for the nodes' own, and for each vip or group that has others.
func (root table) ties(s Settings) {
	plain := len(s.VIPs)+len(s.Groups) == 0
	tie := func(table, name string, priorities map[string]int) {
		if len(priorities) == 0 {
			plain = true
			return
		}
		root.tie(s.Nodes, priorities, root.at.find(table, name, "priorities"))
	}
	for _, v := range s.VIPs {
		tie("vip", v.Name, v.Priorities)
	}
	for _, g := range s.Groups {
		if !g.Both {
			tie("group", g.Name, g.Priorities)
		}
	}
	if n := len(s.Nodes); plain && n > 0 {
		root.tie(s.Nodes, nil, root.at.find("node", s.Nodes[n-1].Name, "priority"))
	}
}

// tie warns when two nodes bring the same priority to a token that gives some nodes another one.
func (root table) tie(nodes []Node, given map[string]int, at *place) {
	names := map[int][]string{}
	for _, n := range nodes {
		names[n.brings(given)] = append(names[n.brings(given)], n.Name)
	}
	for _, n := range nodes {
		p := n.brings(given)
		if equal := names[p]; len(equal) > 1 && equal[0] == n.Name {
			root.warn(at.value, at.path, fmt.Sprintf("equal priorities: %s have %d; the name decides, and failback never moves",
				strings.Join(equal, ", "), p))
		}
	}
}
