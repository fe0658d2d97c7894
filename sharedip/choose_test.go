package sharedip

import (
	"net/netip"
	"testing"
	"vipd/sharedip/rtnl"
)

func on(index int, prefix string) rtnl.Address {
	return rtnl.Address{Index: index, Prefix: netip.MustParsePrefix(prefix), Valid: rtnl.Forever}
}

func TestChoose(t *testing.T) {
	card := func(index int, name string) rtnl.Link {
		return rtnl.Link{LinkState: rtnl.LinkState{Index: index, Name: name}}
	}
	host := &rtnl.Host{Links: []rtnl.Link{card(1, "lo"), card(2, "eth0"), card(3, "eth1"), card(4, "eth2"), card(5, "eth3")}}
	host.Addresses = []rtnl.Address{
		on(1, "127.0.0.1/8"),
		on(2, "192.0.2.1/24"), on(2, "fe80::1/64"), on(2, "2001:db8::1/64"),
		on(3, "198.51.100.1/24"), on(3, "192.0.2.77/32"),
		on(4, "198.51.100.2/24"),
		on(5, "203.0.113.1/24"),
	}
	own := []netip.Addr{
		netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("198.51.100.2"),
	}
	for _, row := range []struct {
		name, address, set string
		own                []netip.Addr
		want, err          string
	}{
		{name: "own network", address: "192.0.2.10", own: own, want: "eth0"},
		{name: "IPv6 on a card with our IPv4", address: "2001:db8::10", own: own, want: "eth0"},
		{name: "named", address: "192.0.2.10", set: "eth1", own: own, want: "eth1"},
		{name: "named settles two", address: "198.51.100.10", set: "eth2", own: own, want: "eth2"},
		{name: "named and absent", address: "192.0.2.10", set: "eth9", own: own,
			err: `192.0.2.10: there is no interface "eth9" (there is lo, eth0, eth1, eth2, eth3)`},
		{name: "two", address: "198.51.100.10", own: own,
			err: "198.51.100.10: more than one interface is on its network (eth1, eth2): set interface"},
		{name: "network without an address of ours", address: "203.0.113.10", own: own,
			err: "203.0.113.10: no interface has both a network that contains it and an address of this node (lo 127.0.0.1/8, " +
				"eth0 192.0.2.1/24 2001:db8::1/64, eth1 198.51.100.1/24 192.0.2.77/32, eth2 198.51.100.2/24, eth3 203.0.113.1/24): set interface"},
		{name: "no addresses of ours", address: "192.0.2.10",
			err: "192.0.2.10: no interface has both a network that contains it and an address of this node (lo 127.0.0.1/8, " +
				"eth0 192.0.2.1/24 2001:db8::1/64, eth1 198.51.100.1/24 192.0.2.77/32, eth2 198.51.100.2/24, eth3 203.0.113.1/24): set interface"},
		{name: "alone is no network", address: "192.0.2.77", own: own, want: "eth0"},
	} {
		t.Run(row.name, func(t *testing.T) {
			l, err := choose(host, row.own, Address{single(netip.MustParseAddr(row.address)), row.set})
			got := ""
			if err != nil {
				got = err.Error()
			}
			if l.Name != row.want || got != row.err {
				t.Errorf("got %q, error\n     %s\nwant %s", l.Name, got, row.err)
			}
		})
	}
}
