package config

import (
	"net/netip"
	"slices"
	"time"
)

// vips reads [vip.X], by name.
func (root table) vips(nodes []Node, groups []Group) []VIP {
	t, ok := root.sub("vip", "tables such as [vip.front]")
	if !ok {
		return nil
	}
	var vips []VIP
	for _, name := range t.names() {
		if one, ok := t.sub(name, "a table such as [vip.front]"); ok {
			vips = append(vips, one.vip(name, nodes, groups))
		}
	}
	return vips
}

func (t table) vip(name string, nodes []Node, groups []Group) VIP {
	t.named(name, "vip")
	t.only("address", "addresses", "interface", "requires", "auto_failback", "failback_delay",
		"failback_max_per_hour", "disable_inheritance", "allow_multiple", "priorities", "prove", "on_active", "on_standby", "hook_timeout", "user", "group", "capabilities")
	v := VIP{Name: name, AutoFailback: true, FailbackMaxPerHour: DefaultPerHour, HookTimeout: DefaultHookTimeout}
	v.Addresses = t.sharedAddresses()
	v.Interface = t.interfaces(nodes)
	if v.Requires = t.required(groups); len(v.Requires) > 0 {
		v.FailbackDelay = DefaultGroupDelay
	}
	t.failback(&v.AutoFailback, &v.FailbackDelay, &v.FailbackMaxPerHour)
	t.flag("disable_inheritance", &v.DisableInheritance)
	t.flag("allow_multiple", &v.AllowMultiple)
	if v.AllowMultiple && v.DisableInheritance {
		t.wrong("allow_multiple", "contradicts disable_inheritance = true, which promises one holder at most; "+
			"keep one of the two")
	}
	t.several(v, groups)
	v.Priorities = t.priorities(nodes)
	v.Prove = t.neighbours(v)
	v.Rights = t.rights()
	v.OnActive = t.hooks("on_active", v.Rights)
	v.OnStandby = t.hooks("on_standby", v.Rights)
	t.withoutCommands(len(v.OnActive)+len(v.OnStandby) > 0, "on_active or on_standby")
	t.duration("hook_timeout", "10s", time.Millisecond, MaxHookTimeout, &v.HookTimeout)
	return v
}

// required reads the groups without which a node does not hold the vip.
func (t table) required(groups []Group) []string {
	var known []string
	for _, g := range groups {
		known = append(known, g.Name)
	}
	return t.others("requires", "", known)
}

// several refuses to have the vip on every fit node when what it requires runs on one.
func (t table) several(v VIP, groups []Group) {
	for _, g := range groups {
		if v.AllowMultiple && !g.Both && slices.Contains(v.Requires, g.Name) {
			t.wrong("allow_multiple", "contradicts requires: %s runs on one node; keep one of the two", g.Name)
		}
	}
}

// sharedAddresses reads address or addresses, one of which must stand. An element that is refused stays as an invalid
// prefix, so that the others keep their index.
func (t table) sharedAddresses() []netip.Prefix {
	switch {
	case t.has("address") && t.has("addresses"):
		t.wrong("addresses", "given beside address; put all of them here and drop address")
	case t.empty("addresses"):
		t.wrong("addresses", "empty; a vip needs an address")
	case !t.has("addresses"):
		t.need("address", `give the shared address with its network's length: address = "192.0.2.10/24"`)
	}
	var found []netip.Prefix
	if text := ""; t.text("address", "192.0.2.10/24", &text) {
		p, reason := shared(text)
		if reason != "" {
			t.wrong("address", "%q %s", text, reason)
		}
		found = append(found, p)
	}
	for i, text := range t.list("addresses", "addresses", `["192.0.2.10/24"]`, MaxAddresses) {
		p, reason := shared(text)
		if text != "" && reason != "" { // an empty one was refused by list
			t.wrongItem("addresses", i, "%q %s", text, reason)
		}
		found = append(found, p)
	}
	return found
}

// priorities reads what nodes bring to this vip in place of their own priority.
func (t table) priorities(nodes []Node) map[string]int {
	found := map[string]int{}
	if byNode, ok := t.sub("priorities", "a table such as { hist-a = 50 }"); ok {
		for _, name := range byNode.nodeNames(nodes) {
			p := 0
			byNode.number(name, 0, MaxPriority, &p)
			found[name] = p
		}
	}
	return found
}

// nodeNames lists the keys that are nodes and refuses the others.
func (t table) nodeNames(nodes []Node) []string {
	var known []string
	for _, n := range nodes {
		known = append(known, n.Name)
	}
	for name, at := range t.at.children {
		if !slices.Contains(known, name) {
			t.refuse(at.key, at.path, "no such node", nearest(name, known))
		}
	}
	return slices.DeleteFunc(known, func(name string) bool { return !t.has(name) })
}

// neighbours reads prove: hosts that are asked from the address, so each needs an address of the same family.
// One that is refused stays as an invalid address, so that the others keep their index.
func (t table) neighbours(v VIP) []netip.Addr {
	var found []netip.Addr
	for i, text := range t.list("prove", "addresses", `["192.0.2.1"]`, MaxProve) {
		a, ok := t.hostAddress("prove", i, text)
		// A refused address of the vip is invalid, and may have been of any family.
		asks := func(p netip.Prefix) bool { return !p.IsValid() || p.Addr().Is4() == a.Is4() }
		if ok && len(v.Addresses) > 0 && !slices.ContainsFunc(v.Addresses, asks) {
			t.wrongItem("prove", i, "%s is %s, but no address of this vip is", a, family(a))
		}
		found = append(found, a)
	}
	return found
}
