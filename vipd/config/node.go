package config

import (
	"net/netip"
)

// nodes reads [node.X], by name.
func (r *reader) nodes(root table) []Node {
	t, ok := root.sub("node", "tables such as [node.hist-a]")
	if !ok {
		root.need("node", "describe each host in a table such as [node.hist-a]")
		return nil
	}
	var nodes []Node
	for _, name := range t.names() {
		if one, ok := t.sub(name, "a table such as [node.hist-a]"); ok {
			r.named(one, name, "node")
			nodes = append(nodes, r.node(one, name))
		}
	}
	switch {
	case len(t.values) == 0:
		r.refuse(t.at.key, t.at.path, "empty; describe each host in a table such as [node.hist-a]", "")
	case len(nodes) > MaxNodes:
		r.refuse(t.at.key, t.at.path, tooMany(len(nodes), MaxNodes, "nodes"), "")
	default:
		r.slots(t, nodes)
	}
	r.paths(t, nodes)
	return nodes
}

func (r *reader) node(t table, name string) Node {
	t.only("addresses", "priority", "id")
	n := Node{Name: name, Priority: DefaultPriority}
	t.need("addresses", `give one per path: addresses = ["192.0.2.11"]`)
	const expected = `an array of addresses such as ["192.0.2.11"]`
	for i, text := range t.list("addresses", expected, MaxPaths) {
		n.Addresses = append(n.Addresses, t.nodeAddress("addresses", i, text))
	}
	if t.emptyList("addresses") {
		t.wrong("addresses", "empty; a node needs an address for each path")
	}
	t.number("priority", 0, MaxPriority, &n.Priority)
	slot := 0
	t.number("id", 1, 255, &slot)
	n.Slot = uint8(slot) // 0 until slots gives it its place
	return n
}

// nodeAddress parses an address that a node has for itself, never a shared one.
func (t table) nodeAddress(key string, i int, text string) netip.Addr {
	a, ok := t.hostAddress(key, i, text)
	switch {
	case !ok:
		return netip.Addr{}
	case a.IsLinkLocalUnicast():
		t.wrongItem(key, i, "%s is link-local, and so on every link; give an address that is on one", a)
		return netip.Addr{}
	}
	return a
}

// slots gives every node without an id its place by name, and refuses two in one slot.
func (r *reader) slots(t table, nodes []Node) {
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
		if n := &nodes[i]; n.Slot == 0 {
			n.Slot = uint8(i + 1)
			if other, taken := owner[n.Slot]; taken {
				t.under(other).wrong("id", "%d is the place of %s by name; give that node an id too", n.Slot, n.Name)
			}
		}
	}
}

// paths compares the nodes' addresses: path by path of one family, and no address twice.
func (r *reader) paths(t table, nodes []Node) {
	owner := map[netip.Addr]string{}
	for _, n := range nodes {
		own := t.under(n.Name)
		for i, a := range n.Addresses {
			other, taken := owner[a]
			switch {
			case !a.IsValid():
				continue
			case taken && other == n.Name:
				own.wrongItem("addresses", i, "%s is given twice; every path needs an address of its own", a)
			case taken:
				own.wrongItem("addresses", i, "%s is an address of %s too", a, other)
			}
			owner[a] = n.Name
		}
		if first := nodes[0]; len(n.Addresses) > 0 && len(first.Addresses) > 0 {
			r.samePaths(own, first, n)
		}
	}
}

func (r *reader) samePaths(own table, first, n Node) {
	if len(n.Addresses) != len(first.Addresses) {
		own.wrong("addresses", "%d %s, but %s has %d; one per path, in the same order on every node",
			len(n.Addresses), plural(len(n.Addresses), "address", "addresses"), first.Name, len(first.Addresses))
		return
	}
	for i, a := range n.Addresses {
		b := first.Addresses[i]
		if a.IsValid() && b.IsValid() && a.Is4() != b.Is4() {
			own.wrongItem("addresses", i, "%s is %s, but %s has %s on this path", a, family(a), first.Name, b)
		}
	}
}

func family(a netip.Addr) string {
	if a.Is4() {
		return "IPv4"
	}
	return "IPv6"
}
