package sharedip

import (
	"net"
	"net/netip"
	"syscall"
	"testing"
	"vipd/sharedip/rtnl"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
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

// firstAddress is what SIOCGIFADDR says of the interface, as old programs ask.
func (w *world) firstAddress(name string) (addr netip.Addr) {
	w.t.Helper()
	err := w.node.Do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		request, err := unix.NewIfreq(name)
		if err != nil {
			return err
		}
		if err := unix.IoctlIfreq(fd, unix.SIOCGIFADDR, request); err != nil {
			return err
		}
		a, err := request.Inet4Addr()
		addr, _ = netip.AddrFromSlice(a)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return addr
}

// sourceOf is the source of a datagram that a program sends through an interface to
// where no route may lead: multicast and broadcast.
func (w *world) sourceOf(remote, through string) netip.Addr {
	w.t.Helper()
	var local netip.Addr
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		c.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BROADCAST, 1)
			if err == nil {
				err = unix.BindToDevice(int(fd), through)
			}
		})
		return err
	}}
	err := w.node.Do(func() error {
		d := net.Dialer{Control: config.Control}
		c, err := d.Dial("udp", netip.AddrPortFrom(netip.MustParseAddr(remote), 9).String())
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
	return local.WithZone("")
}

// The shared addresses come before the node's own, or after them, or the own ones are
// put there anew while the shared ones are held. Routes that name no source make the
// kernel choose.
func TestNeverOurSource(t *testing.T) {
	for name, order := range map[string]func(w *world){
		"own addresses first":  func(w *world) { w.take("vip:front", 1) },
		"shared address first": func(w *world) { w.withoutOwn(func() { w.take("vip:front", 1) }) },
		"own addresses put on anew while holding": func(w *world) {
			w.take("vip:front", 1)
			w.withoutOwn(func() {})
		},
		"from another program's version of it": func(w *world) {
			w.withoutOwn(func() { w.give(w.node, "eth0", single(vip4.Addr())) })
			w.take("vip:front", 1)
		},
	} {
		t.Run(name, func(t *testing.T) { testNeverOurSource(t, order) })
	}
}

// withoutOwn does something while the node has none of its own addresses.
func (w *world) withoutOwn(do func()) {
	w.t.Helper()
	node := w.node.Handle()
	card, err := node.LinkByName("eth0")
	if err != nil {
		w.t.Fatal(err)
	}
	own := []*netlink.Addr{
		{IPNet: ipNet(netip.MustParsePrefix("192.0.2.1/24"))},
		{IPNet: ipNet(netip.MustParsePrefix("2001:db8::1/64")), Flags: unix.IFA_F_NODAD},
	}
	for _, a := range own {
		if err := node.AddrDel(card, a); err != nil {
			w.t.Fatal(err)
		}
	}
	do()
	for _, a := range own {
		if err := node.AddrAdd(card, a); err != nil {
			w.t.Fatal(err)
		}
	}
}

func testNeverOurSource(t *testing.T, order func(*world)) {
	named := []Set{{Token: "vip:front", Addresses: []Address{{vip4, "eth0"}, {vip6, "eth0"}}}}
	w := newWorld(t, named...)
	order(w)
	if !w.has(vip4) || !w.has(vip6) {
		t.Fatalf("on the node is %v", w.addresses())
	}
	node := w.node.Handle()
	card, err := node.LinkByName("eth0")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []*netlink.Route{
		{LinkIndex: card.Attrs().Index, Gw: net.ParseIP("192.0.2.9")},
		{LinkIndex: card.Attrs().Index, Dst: ipNet(netip.MustParsePrefix("203.0.113.0/24"))},
		{LinkIndex: card.Attrs().Index, Gw: net.ParseIP("2001:db8::9")},
		{LinkIndex: card.Attrs().Index, Dst: ipNet(netip.MustParsePrefix("2001:db8:2::/64"))},
	} {
		if err := node.RouteAdd(r); err != nil {
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
		"2001:db8:2::1":  "2001:db8::1", // by a route to the card itself
	} {
		if got := w.source(remote); got.String() != want {
			t.Errorf("towards %s the source is %s, want %s", remote, got, want)
		}
	}
	for _, remote := range []string{"224.0.0.5", "239.1.2.3", "255.255.255.255", "192.0.2.255"} {
		if got := w.sourceOf(remote, "eth0"); got.String() != "192.0.2.1" {
			t.Errorf("towards %s the source is %s, want 192.0.2.1", remote, got)
		}
	}
	for remote, want := range map[string]func(netip.Addr) bool{
		"ff02::5": func(a netip.Addr) bool { return a != vip6.Addr() }, // link-local once that is not tentative
		"ff0e::5": func(a netip.Addr) bool { return a.String() == "2001:db8::1" },
	} {
		if got := w.sourceOf(remote, "eth0"); !want(got) {
			t.Errorf("towards %s the source is %s", remote, got)
		}
	}
	if got := w.firstAddress("eth0"); got.String() != "192.0.2.1" {
		t.Errorf("SIOCGIFADDR says %s, want 192.0.2.1", got)
	}
}

// A label fits the kernel's, and is no interface's name.
func TestAddressLabel(t *testing.T) {
	for name, want := range map[string]string{"eth0": "eth0:vip", "enp130s0f1np1": "enp130s0f1n:vip", "a23456789012345": "a2345678901:vip"} {
		if got := rtnl.AddressLabel(name); got != want || len(got) >= unix.IFNAMSIZ {
			t.Errorf("the label on %s is %s, want %s", name, got, want)
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
