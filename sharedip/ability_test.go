package sharedip

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
)

// A setting that keeps an address from being put on or reached is a reason against this
// host before it takes and while it holds, without any other news, until it is mended.
func TestSettingsThatKeepAnAddressAway(t *testing.T) {
	for _, row := range []struct {
		name, file, bad, good string
		want                  string // in the reason
	}{
		{"arp_ignore of the card", "net/ipv4/conf/eth0/arp_ignore", "8", "0", "net.ipv4.conf.eth0.arp_ignore is 8"},
		{"arp_ignore of all", "net/ipv4/conf/all/arp_ignore", "8", "1", "net.ipv4.conf.all.arp_ignore is 8"},
		{"arp_ignore for addresses of scope host", "net/ipv4/conf/all/arp_ignore", "3", "2", "net.ipv4.conf.all.arp_ignore is 3"},
		{"no IPv6 on the card", "net/ipv6/conf/eth0/disable_ipv6", "1", "0", "IPv6 is off on eth0"},
		{"no IPv6 on any", "net/ipv6/conf/all/disable_ipv6", "1", "0", "IPv6 is off on eth0"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, both...)
			w.run()
			w.await("being able", func() bool { return w.hands.Ready("vip:front") == nil })
			w.node.Set(row.file, row.bad)
			w.unable(row.want)
			w.node.Set(row.file, row.good)
			w.giveOwnBack()
			w.await("being able again", func() bool { return w.hands.Ready("vip:front") == nil })
			w.take("vip:front", 1)
			w.node.Set(row.file, row.bad)
			w.unable(row.want)
			if got := w.hands.Check(); !slices.ContainsFunc(got, func(err error) bool { return strings.Contains(err.Error(), row.want) }) {
				t.Errorf("Check says %v", got)
			}
		})
	}
}

// unable waits until the host is told unable for a reason that says so much.
func (w *world) unable(want string) {
	w.t.Helper()
	w.await("being unable: "+want, func() bool {
		err := w.hands.Ready("vip:front")
		return errors.Is(err, ErrUnable) && strings.Contains(err.Error(), want)
	})
	w.await("news of it", func() bool {
		return w.told(func(e Event) bool { _, ok := e.(SettingsChanged); return ok })
	})
}

// giveOwnBack puts the node's own IPv6 address on again, which the kernel took off with IPv6.
func (w *world) giveOwnBack() {
	w.t.Helper()
	card, err := w.node.Handle().LinkByName("eth0")
	if err == nil {
		err = w.node.Handle().AddrReplace(card, &netlink.Addr{IPNet: ipNet(netip.MustParsePrefix("2001:db8::1/64"))})
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// An interface that is there when the host starts may be unable, and become so by its
// flags and its MTU.
func TestInterfaceThatIsUnable(t *testing.T) {
	for name, row := range map[string]struct {
		set  func(netlink.Link, *netlink.Handle) error
		want string
	}{
		"too small for IPv6": {func(l netlink.Link, h *netlink.Handle) error { return h.LinkSetMTU(l, 1200) }, "no IPv6 on eth0"},
		"without ARP":        {func(l netlink.Link, h *netlink.Handle) error { return h.LinkSetARPOff(l) }, "neither asks nor answers by ARP"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Set{Token: "vip:front", Addresses: []Address{{vip4, "eth0"}, {vip6, "eth0"}}})
			card, err := w.node.Handle().LinkByName("eth0")
			if err == nil {
				err = row.set(card, w.node.Handle())
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := w.hands.Ready("vip:front"); !errors.Is(err, ErrUnable) || !strings.Contains(err.Error(), row.want) {
				t.Errorf("Ready says %v, want %s", err, row.want)
			}
		})
	}
}

// Two cards are on one LAN, and the kernel reaches it by the other one. With rp_filter it
// drops what clients send to the address, and nothing else stands against it.
func TestAddressOnTheOtherCard(t *testing.T) {
	w := newWorld(t, Set{Token: "vip:front", Addresses: []Address{{vip4, "eth1"}}})
	w.node.Plug(w.lan, "eth1", netip.MustParsePrefix("192.0.2.3/24"))
	w.run()
	w.await("being able", func() bool { return w.hands.Ready("vip:front") == nil })
	w.node.Set("net/ipv4/conf/eth1/rp_filter", "1")
	w.unable("rp_filter")
	w.node.Set("net/ipv4/conf/eth1/rp_filter", "0")
	w.await("being able again", func() bool { return w.hands.Ready("vip:front") == nil })
	w.node.Set("net/ipv4/conf/all/arp_filter", "1")
	w.node.Set("net/ipv4/conf/all/arp_ignore", "1")
	w.unable("arp_filter")
}

// Whichever of the usual values arp_ignore has, the address answers.
func TestAnswersWithARPIgnore(t *testing.T) {
	for _, value := range []string{"0", "1", "2", "4"} {
		t.Run(value, func(t *testing.T) {
			w := newWorld(t, both...)
			w.node.Set("net/ipv4/conf/all/arp_ignore", value)
			w.take("vip:front", 1)
			if err := w.hands.Ready("vip:front"); err != nil {
				t.Errorf("Ready says %v", err)
			}
			if got := w.answers(vip4.Addr()); !slices.Equal(got, []string{w.port.MAC().String()}) {
				t.Errorf("%v answer, want %s", got, w.port.MAC())
			}
		})
	}
}
