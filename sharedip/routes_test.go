package sharedip

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"
	"vipd/sharedip/rtnl"

	"github.com/vishvananda/netlink"
)

// Addresses in networks where the node has none of its own.
var (
	bare4 = netip.MustParsePrefix("203.0.113.10/24")
	bare6 = netip.MustParsePrefix("2001:db8:2::10/64")
	bare  = []Set{{Token: "vip:front", Addresses: []Address{{bare4, "eth0"}, {bare6, "eth0"}}}}
)

// newBare gives only the client addresses in those networks.
func newBare(t *testing.T) *world {
	w := newWorld(t, bare...)
	w.giveNetwork(w.client, "eth0", netip.MustParsePrefix("203.0.113.9/24"))
	w.giveNetwork(w.client, "eth0", netip.MustParsePrefix("2001:db8:2::9/64"))
	return w
}

// reached reports whether the client gets an answer from the address: a refusal, since
// nothing listens there.
func (w *world) reached(addr netip.Addr) bool {
	var err error
	w.client.Do(func() error {
		_, err = net.DialTimeout("tcp", netip.AddrPortFrom(addr, 9).String(), 300*time.Millisecond)
		return nil
	})
	return errors.Is(err, syscall.ECONNREFUSED)
}

// routesOf lists the node's routes of this package.
func (w *world) routesOf() (list []string) {
	w.t.Helper()
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		routes, err := w.node.Handle().RouteListFiltered(family, &netlink.Route{Protocol: rtnl.RouteProtocol}, netlink.RT_FILTER_PROTOCOL)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, r := range routes {
			list = append(list, r.Dst.String())
		}
	}
	slices.Sort(list)
	return list
}

var bareRoutes = []string{bare6.Masked().String(), bare4.Masked().String()}

// The client gets answers while the node holds, and the route goes with the address. The
// node's own traffic there does not come from the shared address.
func TestNetworkWithoutAnOwnAddress(t *testing.T) {
	w := newBare(t)
	w.run()
	w.take("vip:front", 1)
	if got := w.routesOf(); !slices.Equal(got, bareRoutes) {
		t.Errorf("routes %v, want %v", got, bareRoutes)
	}
	for _, p := range []netip.Prefix{bare4, bare6} {
		w.await("an answer of "+p.Addr().String(), func() bool { return w.reached(p.Addr()) })
	}
	for remote, want := range map[string]string{"203.0.113.9": "192.0.2.1", "2001:db8:2::9": "2001:db8::1"} {
		if got := w.source(remote); got.String() != want {
			t.Errorf("towards %s the source is %s, want %s", remote, got, want)
		}
	}
	w.drop("vip:front")
	if got := w.routesOf(); len(got) > 0 {
		t.Errorf("after the drop: routes %v", got)
	}
}

// Two tokens share the network: the route stays until neither is held.
func TestRouteOfTwo(t *testing.T) {
	other := netip.MustParsePrefix("203.0.113.20/24")
	w := newWorld(t, Set{Token: "vip:front", Addresses: []Address{{bare4, "eth0"}}}, Set{Token: "vip:back", Addresses: []Address{{other, "eth0"}}})
	w.take("vip:front", 1)
	w.take("vip:back", 1)
	w.drop("vip:front")
	if got := w.routesOf(); !slices.Equal(got, []string{"203.0.113.0/24"}) {
		t.Errorf("with one held: routes %v", got)
	}
	w.drop("vip:back")
	if got := w.routesOf(); len(got) > 0 {
		t.Errorf("with none held: routes %v", got)
	}
}

// A route that somebody removes, or that went with its link, is back.
func TestRouteIsPutBack(t *testing.T) {
	w := newBare(t)
	w.run()
	w.take("vip:front", 1)
	gone := &netlink.Route{LinkIndex: w.port.Index(), Scope: netlink.SCOPE_LINK, Dst: ipNet(bare4.Masked()), Protocol: rtnl.RouteProtocol}
	if err := w.node.Handle().RouteDel(gone); err != nil {
		t.Fatal(err)
	}
	w.await("the route after its removal", func() bool { return slices.Equal(w.routesOf(), bareRoutes) })
	card, err := w.node.Handle().LinkByName("eth0")
	if err == nil {
		err = errors.Join(w.node.Handle().LinkSetDown(card), w.node.Handle().LinkSetUp(card))
	}
	if err != nil {
		t.Fatal(err)
	}
	w.await("the routes after the link's return", func() bool { return slices.Equal(w.routesOf(), bareRoutes) })
}

// What a process that is gone left goes with the next one: with the drop of what that
// adopts, or at once if it adopts nothing.
func TestRouteOfAnEarlierProcess(t *testing.T) {
	for name, adopt := range map[string]bool{"adopted": true, "not adopted": false} {
		t.Run(name, func(t *testing.T) {
			w := newBare(t)
			w.take("vip:front", 1)
			w.hands.Close()
			w.hands = w.open()
			if err := w.hands.Configure(bare); err != nil {
				t.Fatal(err)
			}
			if got := w.routesOf(); !slices.Equal(got, bareRoutes) {
				t.Fatalf("before anything is adopted: routes %v", got)
			}
			if adopt {
				w.take("vip:front", 1)
				w.run()
				w.await("an answer", func() bool { return w.reached(bare4.Addr()) })
				w.drop("vip:front")
			} else {
				w.run()
			}
			w.await("no route", func() bool { return len(w.routesOf()) == 0 })
		})
	}
}

// Where the host has an address of its own in the network, or the file gives no length,
// there is no route of ours.
func TestNoRouteIsNeeded(t *testing.T) {
	w := newWorld(t, Set{Token: "vip:front", Addresses: []Address{{vip4, ""}, {vip6, ""}, {single(bare4.Addr()), "eth0"}}})
	w.take("vip:front", 1)
	if got := w.routesOf(); len(got) > 0 {
		t.Errorf("routes %v", got)
	}
}
