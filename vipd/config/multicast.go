package config

import "net/netip"

// multicast reads where beats go besides each peer's own address.
func (root table) multicast() Multicast {
	m := Multicast{Group4: DefaultGroup4, Group6: Group6, Port: DefaultPort, TTL: DefaultTTL}
	t, ok := root.sub("multicast", "a table such as [multicast]")
	if !ok {
		return m
	}
	t.only("group", "port", "ttl")
	if text := ""; t.text("group", DefaultGroup4.String(), &text) {
		m.Group4 = t.group4(text)
	}
	port := int(m.Port)
	t.number("port", 1, 65535, &port)
	m.Port = uint16(port)
	t.number("ttl", 1, 255, &m.TTL)
	return m
}

// linkControl is kept for routing protocols, and switches flood it: RFC 5771 section 4.
var linkControl = netip.MustParsePrefix("224.0.0.0/24")

func (t table) group4(text string) netip.Addr {
	a, err := netip.ParseAddr(text)
	switch {
	case err != nil:
		t.wrong("group", "%q is no IP address; expected one such as %q", text, DefaultGroup4)
	case !a.Is4():
		t.wrong("group", "%s is not IPv4; paths over IPv6 always use %s", text, Group6)
	case !a.IsMulticast():
		t.wrong("group", "%s is no multicast address; expected one such as %q", a, DefaultGroup4)
	case linkControl.Contains(a):
		t.wrong("group", "%s is reserved for routing protocols (224.0.0.0/24); expected one such as %q", a, DefaultGroup4)
	}
	return a
}
