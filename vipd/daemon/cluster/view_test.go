package cluster

import (
	"net/netip"
	"testing"

	"vipd/vipd/config"
)

// Addresses on one network are asked for together; what is elsewhere is not.
func TestNetworks(t *testing.T) {
	c := &View{Self: config.Node{Name: "hist-a"}}
	number := func(card string, addresses ...string) uint64 {
		v := config.VIP{Interface: map[string]string{"hist-a": card}}
		for _, a := range addresses {
			v.Addresses = append(v.Addresses, netip.MustParsePrefix(a))
		}
		return c.network(v)
	}
	one := number("eth0", "192.0.2.10/24")
	for _, same := range []uint64{number("eth0", "192.0.2.77/24"), number("eth0", "192.0.2.8/24", "192.0.2.9/24")} {
		if same != one || same == 0 {
			t.Errorf("%x and %x, want the same", same, one)
		}
	}
	for _, other := range []uint64{
		number("eth1", "192.0.2.77/24"), number("eth0", "198.51.100.10/24"), number("eth0", "192.0.2.8/24", "2001:db8::8/64"),
	} {
		if other == one {
			t.Errorf("another network has the same number %x", one)
		}
	}
	if number("eth0", "192.0.2.8/24", "2001:db8::8/64") != number("eth0", "2001:db8::9/64", "192.0.2.9/24") {
		t.Error("the order of the addresses counts")
	}
}
