package lease

import (
	"net/netip"
	"testing"
	"time"

	"vipd/testlab/rig"
)

var linkLocal = netip.MustParseAddr("fe80::1")

// A link-local address is another one on each interface: where its lease has expired it
// is silent, where it is valid it is not, and where it has none it passes.
func TestLinkLocalIsPerInterface(t *testing.T) {
	packets := [][]byte{
		frame(typeIP6, ip6(other6, linkLocal, 17, make([]byte, 8))),
		frame(typeIP6, discovery(solicitation, other6, zero6, linkLocal)),
	}
	answers := [][]byte{
		frame(typeIP6, ip6(linkLocal, other6, 17, make([]byte, 8))),
		frame(typeIP6, discovery(advertised, other6, zero6, linkLocal)),
	}
	for _, layer := range layers {
		t.Run(string(layer), func(t *testing.T) {
			lab := rig.Start(t)
			owner, client := lab.Host("owner"), lab.Host("client")
			var near, far [3]*rig.Port
			for i, name := range []string{"eth0", "eth1", "eth2"} {
				lan := lab.Switch("lan" + name)
				near[i], far[i] = owner.Plug(lan, name), client.Plug(lan, name)
			}
			l := open(t, owner, Options{Prefer: layer})
			arm(t, l, On(linkLocal, near[0].Index()), near[0].Index(), near[2].Index())
			renew(t, arm(t, l, On(linkLocal, near[1].Index()), near[1].Index()), time.Hour)
			for i, passes := range []bool{false, true, true} {
				checkPackets(t, packets, far[i], near[i], passes)
				checkPackets(t, answers, near[i], far[i], passes)
			}
		})
	}
}

// checkPackets sends each packet one way and looks whether it gets through.
func checkPackets(t *testing.T, packets [][]byte, from, to *rig.Port, passes bool) {
	t.Helper()
	seen := crossing(t, from, to, packets)
	for i := range packets {
		if seen[i] != passes {
			t.Errorf("packet %d from %s to %s %s: gets through %v, want %v", i, from.Host().Name(), to.Host().Name(), to.Name(), seen[i], passes)
		}
	}
}

// A link-local address without its interface, and any other with one, is none to be
// armed; what is armed is found again by its name.
func TestNamesOfAddresses(t *testing.T) {
	for _, bad := range []string{"fe80::1", "fe80::1%eth0", "fe80::1%0", "fe80::1%-1", "2001:db8::1%3"} {
		l := &Leases{in: nothing{}, addresses: map[netip.Addr]*Lease{}}
		if _, err := l.Arm([]netip.Addr{netip.MustParseAddr(bad)}); err == nil {
			t.Errorf("%s was armed", bad)
		}
	}
	for _, address := range []netip.Addr{On(linkLocal, 70000), On(shared4, 3), On(shared6, 3), On(netip.MustParseAddr("169.254.1.1"), 3)} {
		if got, ok := addressKey(address).address(); !ok || got != address {
			t.Errorf("%s is found again as %s, %v", address, got, ok)
		}
	}
}
