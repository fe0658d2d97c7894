package sharedip

import (
	"net"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
)

// source is the address the node's kernel picks towards a remote one.
func (w *world) source(remote string) netip.Addr {
	w.t.Helper()
	var local netip.Addr
	err := w.node.Do(func() error {
		c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(remote), 9)))
		if err != nil {
			return err
		}
		defer c.Close()
		local = c.LocalAddr().(*net.UDPAddr).AddrPort().Addr()
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return local
}

// The node's own address is taken off and put back, so that the kernel lists
// the shared one first; routes that name no source make it choose.
func TestNeverOurSource(t *testing.T) {
	w := newWorld(t, both...)
	w.take("vip:front", 1)
	node := w.node.Handle()
	card, err := node.LinkByName("eth0")
	if err != nil {
		t.Fatal(err)
	}
	own := &netlink.Addr{IPNet: ipNet(netip.MustParsePrefix("192.0.2.1/24"))}
	routes := []*netlink.Route{
		{LinkIndex: card.Attrs().Index, Gw: net.ParseIP("192.0.2.9")},
		{LinkIndex: card.Attrs().Index, Dst: ipNet(netip.MustParsePrefix("203.0.113.0/24"))},
		{LinkIndex: card.Attrs().Index, Gw: net.ParseIP("2001:db8::9")},
	}
	for _, do := range []func() error{
		func() error { return node.AddrDel(card, own) },
		func() error { return node.AddrAdd(card, own) },
		func() error { return node.RouteAdd(routes[0]) },
		func() error { return node.RouteAdd(routes[1]) },
		func() error { return node.RouteAdd(routes[2]) },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
	for remote, want := range map[string]string{
		"192.0.2.9":      "192.0.2.1",   // on the LAN
		"198.51.100.1":   "192.0.2.1",   // behind the router
		"203.0.113.1":    "192.0.2.1",   // by a route to the card itself
		"2001:db8::9":    "2001:db8::1", // on the LAN
		"2001:db8:f::1":  "2001:db8::1", // behind the router
		"2001:db8::1111": "2001:db8::1", // nearer to the shared address by prefix
	} {
		if got := w.source(remote); got.String() != want {
			t.Errorf("towards %s the source is %s, want %s", remote, got, want)
		}
	}
}

// A client that knows the old holder's hardware address uses the new one at once.
func TestNeighboursMove(t *testing.T) {
	w := newWorld(t, both...)
	client := w.client.Handle()
	card, err := client.LinkByName("eth0")
	if err != nil {
		t.Fatal(err)
	}
	old := net.HardwareAddr{2, 0, 0, 0, 0, 1}
	for _, p := range []netip.Prefix{vip4, vip6} {
		err := client.NeighSet(&netlink.Neigh{
			LinkIndex: card.Attrs().Index, IP: p.Addr().AsSlice(), HardwareAddr: old, State: netlink.NUD_REACHABLE,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	w.take("vip:front", 1)
	for _, p := range []netip.Prefix{vip4, vip6} {
		w.await("the client's entry of "+p.Addr().String(), func() bool {
			list, err := client.NeighList(card.Attrs().Index, netlink.FAMILY_ALL)
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range list {
				if n.IP.Equal(p.Addr().AsSlice()) {
					return n.HardwareAddr.String() == w.port.MAC().String()
				}
			}
			return false
		})
	}
}
