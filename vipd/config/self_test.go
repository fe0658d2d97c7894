package config

import (
	"net/netip"
	"testing"
)

func TestSelf(t *testing.T) {
	s := parse(t, small)
	for _, c := range []struct {
		name  string
		local []string
		want  string
		err   string
	}{
		{"one of its addresses", []string{"127.0.0.1", "10.0.0.1", "192.0.2.12"}, "b", ""},
		{"the kernel's IPv6 form", []string{"::ffff:192.0.2.11"}, "a", ""},
		{"none", []string{"10.0.0.1", "fe80::1%eth0"}, "",
			"this host is none of the nodes: it has 10.0.0.1, fe80::1%eth0; the nodes have a 192.0.2.11; b 192.0.2.12"},
		{"no address at all", nil, "",
			"this host is none of the nodes: it has no address; the nodes have a 192.0.2.11; b 192.0.2.12"},
		{"two", []string{"192.0.2.11", "192.0.2.12"}, "",
			"this host is more than one node: it has 192.0.2.11, 192.0.2.12; that matches a 192.0.2.11; b 192.0.2.12"},
	} {
		var local []netip.Addr
		for _, a := range c.local {
			local = append(local, netip.MustParseAddr(a))
		}
		n, err := s.Self(local)
		if n.Name != c.want || (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
			t.Errorf("%s: got %q, %v", c.name, n.Name, err)
		}
	}
}
