package config

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// vips reads [vip.X], by name.
func (r *reader) vips(root table, nodes []Node) []VIP {
	t, ok := root.sub("vip", "tables such as [vip.front]")
	if !ok {
		return nil
	}
	var vips []VIP
	for _, name := range t.names() {
		if one, ok := t.sub(name, "a table such as [vip.front]"); ok {
			r.named(one, name, "vip")
			vips = append(vips, r.vip(one, name, nodes))
		}
	}
	if len(vips) > MaxTokens {
		r.refuse(t.at.key, t.at.path, tooMany(len(vips), MaxTokens, "tokens"), "")
	}
	return vips
}

func (r *reader) vip(t table, name string, nodes []Node) VIP {
	t.only("address", "addresses", "interface", "auto_failback", "failback_delay", "failback_max_per_hour",
		"disable_inheritance", "allow_multiple", "priorities", "prove", "on_active", "on_standby", "hook_timeout")
	v := VIP{Name: name, AutoFailback: true, FailbackMaxPerHour: DefaultPerHour, HookTimeout: DefaultHookTimeout}
	v.Addresses = t.sharedAddresses()
	v.Interface = t.interfaces(nodes)
	t.flag("auto_failback", &v.AutoFailback)
	t.duration("failback_delay", "30s", 0, MaxDelay, &v.FailbackDelay)
	t.number("failback_max_per_hour", 0, MaxPerHour, &v.FailbackMaxPerHour)
	t.flag("disable_inheritance", &v.DisableInheritance)
	t.flag("allow_multiple", &v.AllowMultiple)
	if v.AllowMultiple && v.DisableInheritance {
		t.wrong("allow_multiple", "contradicts disable_inheritance = true, which promises one holder at most; keep one of the two")
	}
	v.Priorities = t.priorities(nodes)
	v.Prove = t.neighbours(v)
	v.OnActive = t.hooks("on_active")
	v.OnStandby = t.hooks("on_standby")
	t.duration("hook_timeout", "10s", time.Millisecond, MaxHookTimeout, &v.HookTimeout)
	return v
}

// sharedAddresses reads address or addresses, one of which must stand.
func (t table) sharedAddresses() []netip.Prefix {
	switch {
	case t.has("address") && t.has("addresses"):
		t.wrong("addresses", "given beside address; put all of them here and drop address")
	case !t.has("address"):
		t.needAddresses()
	}
	var found []netip.Prefix
	if text := ""; t.text("address", "192.0.2.10/24", &text) {
		if p, reason := shared(text); reason != "" {
			t.wrong("address", "%q %s", text, reason)
		} else {
			found = append(found, p)
		}
	}
	for i, text := range t.list("addresses", `an array of addresses such as ["192.0.2.10/24"]`, MaxAddresses) {
		p, reason := shared(text)
		if text != "" && reason != "" {
			t.wrongItem("addresses", i, "%q %s", text, reason)
			p = netip.Prefix{} // keeps the index of the others
		}
		found = append(found, p)
	}
	return found
}

func (t table) needAddresses() {
	if !t.has("addresses") {
		t.need("address", `give the shared address with its network's length: address = "192.0.2.10/24"`)
	}
	if t.emptyList("addresses") {
		t.wrong("addresses", "empty; a vip needs an address")
	}
}

// interfaces reads interface = "eth0" for every node, or a table for some.
func (t table) interfaces(nodes []Node) map[string]string {
	found := map[string]string{}
	switch v := t.values["interface"].(type) {
	case nil:
	case string:
		if !validInterface(v) {
			t.wrong("interface", "%q is no interface name; 1 to 15 characters without blanks and slashes", v)
		}
		for _, n := range nodes {
			found[n.Name] = v
		}
	case map[string]any:
		byNode, _ := t.sub("interface", "a table")
		for _, name := range byNode.nodeNames(nodes) {
			device := ""
			if byNode.text(name, "eth0", &device) && !validInterface(device) {
				byNode.wrong(name, "%q is no interface name; 1 to 15 characters without blanks and slashes", device)
			}
			found[name] = device
		}
	default:
		t.wrong("interface", `expected a name such as "eth0" or a table such as { hist-a = "eth0" }, not %s`, kind(v))
	}
	return found
}

// validInterface follows dev_valid_name of the kernel.
func validInterface(s string) bool {
	return s != "" && len(s) <= 15 && s != "." && s != ".." && !strings.ContainsAny(s, "/: \t\n\r\v\f")
}

// priorities reads what nodes bring to this vip in place of their own priority.
func (t table) priorities(nodes []Node) map[string]int {
	found := map[string]int{}
	byNode, ok := t.sub("priorities", "a table such as { hist-a = 50 }")
	if !ok {
		return found
	}
	for _, name := range byNode.nodeNames(nodes) {
		p := 0
		if byNode.number(name, 0, MaxPriority, &p) {
			found[name] = p
		}
	}
	return found
}

// nodeNames lists the keys that are nodes and refuses the others.
func (t table) nodeNames(nodes []Node) []string {
	var known, found []string
	for _, n := range nodes {
		known = append(known, n.Name)
		if t.has(n.Name) {
			found = append(found, n.Name)
		}
	}
	for name, at := range t.at.children {
		if !slices.Contains(known, name) {
			t.refuse(at.key, at.path, "no such node", nearest(name, known))
		}
	}
	return found
}

// neighbours reads prove: hosts that are asked from the address, so each needs an address of the same family.
func (t table) neighbours(v VIP) []netip.Addr {
	var found []netip.Addr
	for i, text := range t.list("prove", `an array of addresses such as ["192.0.2.1"]`, MaxProve) {
		a, ok := t.hostAddress("prove", i, text)
		switch {
		case !ok:
			continue
		case v.has(a):
			t.wrongItem("prove", i, "%s is the shared address itself; name a neighbour, such as the gateway", a)
		case !v.speaks(a):
			t.wrongItem("prove", i, "%s is %s, but no address of this vip is", a, family(a))
		}
		found = append(found, a)
	}
	return found
}

func (v VIP) has(a netip.Addr) bool {
	for _, p := range v.Addresses {
		if p.IsValid() && p.Addr() == a {
			return true
		}
	}
	return false
}

// speaks tells whether v has an address of a's family; one that was refused may have been of any.
func (v VIP) speaks(a netip.Addr) bool {
	for _, p := range v.Addresses {
		if !p.IsValid() || p.Addr().Is4() == a.Is4() {
			return true
		}
	}
	return len(v.Addresses) == 0
}
