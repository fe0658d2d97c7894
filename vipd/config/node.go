package config

import (
	"fmt"
	"net/netip"
)

// nodes reads [node.X], by name. A node that is no table stays in the list, so that what names it is not blamed.
func (root table) nodes() []Node {
	root.need("node", "describe each host in a table such as [node.hist-a]")
	t, ok := root.sub("node", "tables such as [node.hist-a]")
	if !ok {
		return nil
	}
	var nodes []Node
	for _, name := range t.names() {
		n := Node{Name: name, Priority: DefaultPriority}
		if one, ok := t.sub(name, "a table such as [node.hist-a]"); ok {
			one.node(&n)
		}
		nodes = append(nodes, n)
	}
	switch {
	case len(nodes) == 0:
		t.refuse(t.at.key, t.at.path, "empty; describe each host in a table such as [node.hist-a]", "")
	case len(nodes) > MaxNodes:
		t.refuse(t.at.key, t.at.path, fmt.Sprintf("%d nodes are too many; at most %d", len(nodes), MaxNodes), "")
	default:
		t.slots(nodes)
		t.paths(nodes)
	}
	return nodes
}

func (t table) node(n *Node) {
	t.named(n.Name, "node")
	t.only("addresses", "priority", "id")
	t.need("addresses", `give one per path: addresses = ["192.0.2.11"]`)
	if t.empty("addresses") {
		t.wrong("addresses", "empty; a node needs an address for each path")
	}
	for i, text := range t.list("addresses", "addresses", `["192.0.2.11"]`, MaxPaths) {
		n.Addresses = append(n.Addresses, t.nodeAddress(i, text))
	}
	t.number("priority", 0, MaxPriority, &n.Priority)
	slot := 0 // until slots gives the node its place
	t.number("id", 1, 255, &slot)
	n.Slot = uint8(slot)
}

// nodeAddress parses an address that a node keeps for itself; it is invalid when refused.
func (t table) nodeAddress(i int, text string) netip.Addr {
	a, ok := t.hostAddress("addresses", i, text)
	if ok && a.IsLinkLocalUnicast() {
		t.wrongItem("addresses", i, "%s is link-local, which every link has; give an address of one network", a)
		return netip.Addr{}
	}
	return a
}

// slots gives every node without an id its place by name, from 1, and refuses two in one slot.
func (t table) slots(nodes []Node) {
	owner := map[uint8]string{}
	for _, n := range nodes {
		if n.Slot == 0 {
			continue
		}
		if other, taken := owner[n.Slot]; taken {
			t.under(n.Name).wrong("id", "%d is the id of %s too", n.Slot, other)
		}
		owner[n.Slot] = n.Name
	}
	for i := range nodes {
		n := &nodes[i]
		if n.Slot > 0 {
			continue
		}
		n.Slot = uint8(i + 1)
		if other, taken := owner[n.Slot]; taken {
			t.under(other).wrong("id", "%d is the place of %s by name; give that node an id too", n.Slot, n.Name)
		}
	}
}

// under is the place of a node's table, to refuse a value in.
func (t table) under(name string) table { return table{reader: t.reader, at: t.at.find(name)} }

// paths compares the nodes' addresses: no address twice, and path by path one family.
func (t table) paths(nodes []Node) {
	owner := map[netip.Addr]string{}
	for _, n := range nodes {
		own := t.under(n.Name)
		for i, a := range n.Addresses {
			if !a.IsValid() {
				continue
			}
			switch other, taken := owner[a]; {
			case taken && other == n.Name:
				own.wrongItem("addresses", i, "%s is given twice; every path needs an address of its own", a)
			case taken:
				own.wrongItem("addresses", i, "%s is an address of %s too", a, other)
			}
			owner[a] = n.Name
		}
		own.samePaths(nodes[0], n)
	}
}

// samePaths holds the addresses of n against those of the first node.
func (t table) samePaths(first, n Node) {
	switch {
	case len(n.Addresses) == 0 || len(first.Addresses) == 0:
		return // refused already
	case len(n.Addresses) != len(first.Addresses):
		t.wrong("addresses", "%s, but %s has %d; give one per path, in the same order on every node",
			count(len(n.Addresses), "address", "addresses"), first.Name, len(first.Addresses))
		return
	}
	for i, a := range n.Addresses {
		b := first.Addresses[i]
		if a.IsValid() && b.IsValid() && a.Is4() != b.Is4() {
			t.wrongItem("addresses", i, "%s is %s, but %s has %s on this path", a, family(a), first.Name, b)
		}
	}
}
