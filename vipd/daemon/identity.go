package daemon

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"vipd/vipd/config"
	"vipd/vipd/control"
)

// WhoAmI finds this node: the one named, or the one whose addresses are here. A name that
// contradicts the addresses of this host is refused: two hosts that run as one node do not
// hear each other.
func WhoAmI(s config.Settings, name string) (config.Node, error) {
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

// has reports whether this host has one of the addresses.
func has(local, any []netip.Addr) bool {
	return slices.ContainsFunc(any, func(a netip.Addr) bool { return slices.Contains(local, a) })
}

// checkNames makes an alarm of an address of another node on this host.
func (d *Daemon) checkNames() {
	local, err := localAddresses()
	if err != nil {
		return // the next look is soon
	}
	c := d.cluster()
	text := ""
	if n, address, clash := otherNode(c.Settings, c.Self, local); clash {
		text = fmt.Sprintf("this host runs as node %s but also has %s, an address of node %s: remove it, or run as that node", c.Self.Name, address, n.Name)
	}
	d.alarms.Set("identity", text)
}

// twinShown is how long an alarm of another host with this node's name stays.
const twinShown = time.Minute

// twin is told that another program seals messages as this node. One sender is named at a
// time: a recording can come from any number of addresses.
func (d *Daemon) twin(from sender) {
	const about = "twin"
	if d.alarms.Raised(about) {
		return
	}
	name := d.cluster().Self.Name
	text := fmt.Sprintf("%s also sends as node %s, which this host is: two hosts run as the same node, or somebody replays a recording; compare --node and the addresses of both", from, name)
	d.loop.journal.Add(control.Event{Kind: "alarm", Node: name, Text: text})
	d.alarms.Set(about, text)
	time.AfterFunc(twinShown, func() { d.alarms.Clear(about) })
}
