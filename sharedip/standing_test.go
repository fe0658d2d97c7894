package sharedip

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// stands waits until the token was told last to stand so.
func (w *world) stands(token string, interfaces []int, spots ...Spot) {
	w.t.Helper()
	w.await(fmt.Sprint("standing: ", spots), func() bool {
		last := Standing{}
		w.told(func(e Event) bool {
			if s, ok := e.(Standing); ok && s.Token == token {
				last = s
			}
			return false
		})
		return last.Token == token && slices.Equal(last.Spots, spots) && slices.Equal(last.Interfaces, interfaces)
	})
}

// putThere adds an address as another program would, or takes it off.
func (w *world) putThere(card string, p netip.Prefix, on bool) {
	w.t.Helper()
	link, err := w.node.Handle().LinkByName(card)
	a := &netlink.Addr{IPNet: ipNet(p), Flags: unix.IFA_F_NODAD}
	switch {
	case err == nil && on:
		err = w.node.Handle().AddrAdd(link, a)
	case err == nil:
		err = w.node.Handle().AddrDel(link, a)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// An address that somebody else puts on the host is told of, with any prefix length, on
// any interface, with a lifetime like ours or for ever; and that it is gone again.
func TestAddressThatOthersPutThere(t *testing.T) {
	w := newWorld(t, both...)
	w.node.Plug(w.lan, "eth1", netip.MustParsePrefix("192.0.2.3/24"))
	w.run()
	eth0, eth1, lo := w.port.Index(), w.node.Port("eth1").Index(), 1
	for _, row := range []struct {
		card       string
		prefix     netip.Prefix
		index      int
		interfaces []int // eth1 is on the IPv4 network too
	}{
		{"eth0", vip4, eth0, []int{eth0, eth1}},
		{"eth0", single(vip4.Addr()), eth0, []int{eth0, eth1}},
		{"eth1", single(vip4.Addr()), eth1, []int{eth0, eth1}},
		{"lo", single(vip4.Addr()), lo, []int{eth0, eth1}},
		{"eth0", vip6, eth0, []int{eth0}},
		{"lo", single(vip6.Addr()), lo, []int{eth0}},
		{"eth1", vip6, eth1, []int{eth0, eth1}},
	} {
		w.putThere(row.card, row.prefix, true)
		w.stands("vip:front", row.interfaces, Spot{row.prefix.Addr(), row.index})
		if got := w.hands.Check(); len(got) == 0 {
			t.Errorf("%s on %s: nothing is wrong", row.prefix, row.card)
		}
		w.putThere(row.card, row.prefix, false)
		w.stands("vip:front", nil)
	}
	// While it is held, only what is elsewhere stands.
	w.take("vip:front", 1)
	w.putThere("eth1", single(vip4.Addr()), true)
	w.stands("vip:front", []int{eth0, eth1}, Spot{vip4.Addr(), eth1})
	w.drop("vip:front")
	if w.has(vip6) {
		t.Error("the IPv6 address is still there")
	}
	standing, err := w.hands.StandingNow()
	if err != nil || len(standing) != 1 || !slices.Equal(standing[0].Spots, []Spot{{vip4.Addr(), eth1}}) {
		t.Errorf("standing %+v, %v", standing, err)
	}
}

// A take displaces what another program has put in its place, so that a drop takes it off.
func TestTakeDisplaces(t *testing.T) {
	w := newWorld(t, both...)
	w.putThere("eth0", single(vip4.Addr()), true)
	w.putThere("eth0", vip6, true)
	w.run()
	w.take("vip:front", 1)
	w.drop("vip:front")
	w.stands("vip:front", nil)
	if got := w.addresses(); len(got) > 0 {
		t.Errorf("after the drop: %v", got)
	}
}

// watchGuard notes what Guard is told and whether the address was on before.
type watchGuard struct {
	mu     sync.Mutex
	spots  []Spot
	before bool
}

// Guard is told of every address before it is put on: by a take, by a configuration that
// adds it while its token is held, and on an interface that is made anew.
func TestGuardedBeforeItIsOn(t *testing.T) {
	w := newWorld(t)
	seen := &watchGuard{}
	w.hands.options.Guard = func(_ string, spots []Spot, interfaces []int) error {
		seen.mu.Lock()
		defer seen.mu.Unlock()
		for _, s := range spots {
			seen.before = seen.before || slices.Contains(w.addresses(), single(s.Addr).String())
		}
		if seen.spots = append(seen.spots, spots...); len(interfaces) == 0 {
			return fmt.Errorf("no interface is told for %v", spots)
		}
		return nil
	}
	told := func(s Spot) bool {
		seen.mu.Lock()
		defer seen.mu.Unlock()
		return slices.Contains(seen.spots, s)
	}
	w.configure(Set{Token: "vip:front", Addresses: []Address{{vip4, "eth0"}}})
	w.run()
	w.take("vip:front", 1)
	if index := w.port.Index(); !told(Spot{vip4.Addr(), index}) {
		t.Error("not told of what was taken")
	}
	w.configure(Set{Token: "vip:front", Addresses: []Address{{vip4, "eth0"}, {vip6, "eth0"}}})
	if index := w.port.Index(); !told(Spot{vip6.Addr(), index}) || !w.has(vip6) {
		t.Error("not told of what was gained while held")
	}
	seen.mu.Lock()
	if seen.before {
		t.Error("an address was on before Guard was told of it")
	}
	seen.mu.Unlock()
	node := w.node.Handle()
	card, err := node.LinkByName("eth0")
	if err == nil {
		err = node.LinkDel(card)
	}
	if err != nil {
		t.Fatal(err)
	}
	fresh := w.node.Plug(w.lan, "eth0", netip.MustParsePrefix("192.0.2.4/24")).Index()
	w.await("the address on the new card", func() bool { return told(Spot{vip4.Addr(), fresh}) && w.has(vip4) })
}

// One link-local address is shared on two interfaces: each token has its own.
func TestLinkLocalOnTwoInterfaces(t *testing.T) {
	gateway := netip.MustParsePrefix("fe80::1/64")
	w := newWorld(t, Set{Token: "vip:gw0", Addresses: []Address{{gateway, "eth0"}}}, Set{Token: "vip:gw1", Addresses: []Address{{gateway, "eth1"}}})
	second := w.lab.Switch("second")
	w.node.Plug(second, "eth1")
	far := w.client.Plug(second, "eth1")
	w.run()
	w.await("both to be ready", func() bool { return w.hands.Ready("vip:gw0") == nil && w.hands.Ready("vip:gw1") == nil })
	w.take("vip:gw0", 1)
	w.take("vip:gw1", 1)
	on := func() (list []int) {
		all, err := w.node.Handle().AddrList(nil, netlink.FAMILY_V6)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range all {
			if a.IP.String() == "fe80::1" {
				list = append(list, a.LinkIndex)
			}
		}
		slices.Sort(list)
		return list
	}
	eth0, eth1 := w.port.Index(), w.node.Port("eth1").Index()
	if got := on(); !slices.Equal(got, []int{eth0, eth1}) {
		t.Fatalf("on the interfaces %v, want %v", got, []int{eth0, eth1})
	}
	held, err := w.hands.Held()
	if err != nil || len(held["vip:gw0"]) != 1 || len(held["vip:gw1"]) != 1 {
		t.Errorf("held: %v, %v", held, err)
	}
	w.claims(far, gateway)
	w.await("the alarm of the right one", func() bool {
		return w.told(func(e Event) bool { c, ok := e.(Claimed); return ok && c.Token == "vip:gw1" })
	})
	if w.told(func(e Event) bool { c, ok := e.(Claimed); return ok && c.Token == "vip:gw0" }) {
		t.Error("a claim on one link was taken to be for the address of the other")
	}
	w.drop("vip:gw0")
	if got := on(); !slices.Equal(got, []int{eth1}) {
		t.Errorf("after the drop of the first: on the interfaces %v, want %v", got, []int{eth1})
	}
	w.drop("vip:gw0") // nothing of it is left to be taken off, and the other is not it
	if got := on(); !slices.Equal(got, []int{eth1}) {
		t.Errorf("after another drop of the first: on the interfaces %v, want %v", got, []int{eth1})
	}
	w.putThere("eth0", gateway, true)
	w.stands("vip:gw0", []int{eth0}, Spot{gateway.Addr(), eth0})
}
