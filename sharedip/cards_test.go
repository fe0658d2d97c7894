package sharedip

import (
	"net/netip"
	"slices"
	"testing"
	"time"
	"vipd/sharedip/neighbor"
	"vipd/sharedip/rtnl"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"vipd/testlab/rig"
)

var (
	home   = netip.MustParsePrefix("198.51.100.1/24")
	far    = netip.MustParsePrefix("198.51.100.9/24")
	onCard = netip.MustParsePrefix("198.51.100.10/24")
)

// card makes one more interface on top of a host's eth0, or skips the test on a
// kernel without that kind.
func (w *world) card(host *rig.Host, kind string, address netip.Prefix) {
	w.t.Helper()
	base, err := host.Handle().LinkByName("eth0")
	if err != nil {
		w.t.Fatal(err)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.ParentIndex = "top", base.Attrs().Index
	var link netlink.Link
	switch kind {
	case "vlan":
		link = &netlink.Vlan{LinkAttrs: attrs, VlanId: 10}
	case "macvlan":
		link = &netlink.Macvlan{LinkAttrs: attrs, Mode: netlink.MACVLAN_MODE_BRIDGE}
	case "bond":
		attrs.ParentIndex = 0
		bond := netlink.NewLinkBond(attrs)
		bond.Mode, bond.Miimon = netlink.BOND_MODE_ACTIVE_BACKUP, 100
		link = bond
	}
	if err := host.Handle().LinkAdd(link); err != nil {
		rig.Missing(w.t, kind, err)
	}
	if kind == "bond" {
		err := host.Handle().LinkSetDown(base)
		if err == nil {
			err = host.Handle().LinkSetMaster(base, link)
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
	w.up(host, "top", address)
}

// Addresses on interfaces that are made of others are asked for, announced,
// proved and defended like any.
func TestInterfacesMadeOfOthers(t *testing.T) {
	for kind, clientKind := range map[string]string{"vlan": "vlan", "macvlan": "macvlan", "bond": "macvlan"} {
		t.Run(kind, func(t *testing.T) {
			w := newWorld(t)
			w.card(w.node, kind, home)
			w.card(w.client, clientKind, far)
			w.configure(Set{Token: "vip:front", Addresses: []Address{{onCard, "top"}}, Prove: []netip.Addr{far.Addr()}})
			w.run()
			w.await("the carrier", func() bool { return w.hands.Links()["top"].Carrier })
			w.take("vip:front", 1)
			w.proved(onCard, far.Addr())
			w.await("the other side", func() bool { return !w.hands.Heard("vip:front").IsZero() })
			w.drop("vip:front")
			w.give(w.client, "top", onCard)
			w.await("an answer", func() bool {
				w.askLAN("vip:front")
				return w.told(func(e Event) bool { a, ok := e.(Answered); return ok && a.Prefix == onCard })
			})
			w.take("vip:front", 2)
			w.await("an alarm", func() bool {
				w.askLAN("vip:front")
				return w.told(func(e Event) bool { c, ok := e.(Claimed); return ok && c.Prefix == onCard })
			})
		})
	}
}

// What is said in a VLAN is no matter of the untagged network below it.
func TestOtherVLANIsAnotherNetwork(t *testing.T) {
	w := newWorld(t, both...)
	w.run()
	w.takeAndSettle()
	client := w.client.Port("eth0")
	frames, err := neighbor.NewAnnouncement(rtnl.Link{LinkState: rtnl.LinkState{MAC: client.MAC()}, Ethernet: true}, vip4.Addr())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range frames {
		tagged := append([]byte{0, 10, byte(f.EtherType >> 8), byte(f.EtherType)}, f.Payload...)
		w.put(client, neighbor.Frame{To: f.To, EtherType: unix.ETH_P_8021Q, Payload: tagged})
	}
	w.claims(client, vip6) // comes after them
	w.claimed(vip6, client.MAC())
	if w.told(func(e Event) bool { c, ok := e.(Claimed); return ok && c.Prefix == vip4 }) {
		t.Error("alarm for what was claimed in a VLAN")
	}
}

// answers collects the hardware addresses that answer a client's ARP requests for
// an address, within some rounds of asking.
func (w *world) answers(addr netip.Addr) (macs []string) {
	w.t.Helper()
	c := w.listen(unix.ETH_P_ARP)
	port := w.client.Port("eth0")
	l := rtnl.Link{LinkState: rtnl.LinkState{MAC: port.MAC()}, Ethernet: true}
	f, err := neighbor.NewQuestion(l, netip.MustParseAddr("192.0.2.9"), addr)
	if err != nil {
		w.t.Fatal(err)
	}
	for range 10 {
		w.put(port, f)
		c.SetReadDeadline(time.Now().Add(30 * time.Millisecond))
		for b := make([]byte, 128); ; {
			n, _, err := c.ReadFrom(b)
			if err != nil {
				break
			}
			s, ok := neighbor.Parse(neighbor.ReceivedFrame{Frame: b[:n]})
			if mac := (rtnl.LinkState{MAC: s.MAC[:]}).MAC.String(); ok && s.Kind == neighbor.Reply && s.Addr == addr && !slices.Contains(macs, mac) {
				macs = append(macs, mac)
			}
		}
	}
	return macs
}

// Two cards of the node are on one LAN. As the kernel comes, both answer for an
// address that is on one of them; with arp_ignore 1 on the other, only the right
// one does. Our own other card is no claimant in either case.
func TestTwoCardsOnOneLAN(t *testing.T) {
	w := newWorld(t, Set{Token: "vip:front", Addresses: []Address{{vip4, "eth0"}}})
	second := w.node.Plug(w.lan, "eth1", netip.MustParsePrefix("192.0.2.3/24"))
	w.run()
	w.take("vip:front", 1)
	if got := w.answers(vip4.Addr()); !slices.Contains(got, second.MAC().String()) {
		t.Logf("this kernel has no flux: %v answer", got)
	}
	w.askLAN("vip:front") // which our other card may answer
	w.node.Set("net/ipv4/conf/eth1/arp_ignore", "1")
	if got := w.answers(vip4.Addr()); !slices.Equal(got, []string{w.port.MAC().String()}) {
		t.Errorf("with arp_ignore 1 on the other card, %v answer, want %s", got, w.port.MAC())
	}
	w.claims(w.client.Port("eth0"), vip4) // comes after whatever was said before
	w.claimed(vip4, w.client.Port("eth0").MAC())
	if w.told(func(e Event) bool { c, ok := e.(Claimed); return ok && c.MAC.String() == second.MAC().String() }) {
		t.Error("our own other card was taken for a claimant")
	}
}

// A network manager that starts again takes off whatever it didn't put on.
func TestNetworkManagerStartsAgain(t *testing.T) {
	w := newWorld(t, both...)
	w.run()
	w.takeAndSettle()
	for round := range 3 {
		card, err := w.node.Handle().LinkByName("eth0")
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range []netip.Prefix{vip4, vip6} {
			if err := w.node.Handle().AddrDel(card, &netlink.Addr{IPNet: ipNet(single(p.Addr()))}); err != nil {
				t.Fatal(err)
			}
		}
		w.is(AddressGone{"vip:front", vip4, round + 1})
		w.is(AddressGone{"vip:front", vip6, round + 1})
	}
	w.await("both addresses", func() bool { return w.has(vip4) && w.has(vip6) })
}
