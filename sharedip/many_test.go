package sharedip

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
)

// manySet is a token of n addresses in 10.7.0.0/16, which eth0 is on.
func manySet(w *world, token string, n int) Set {
	w.t.Helper()
	card, err := w.node.Handle().LinkByName("eth0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.node.Handle().AddrReplace(card, &netlink.Addr{IPNet: ipNet(netip.MustParsePrefix("10.7.255.254/16"))})
	set := Set{Token: token}
	for i := range n {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], 10<<24|7<<16|uint32(i+1))
		set.Addresses = append(set.Addresses, Address{Prefix: netip.PrefixFrom(netip.AddrFrom4(b), 16)})
	}
	return set
}

func TestTwoHundredAddresses(t *testing.T) {
	w := newWorld(t)
	if err := w.hands.Configure([]Set{manySet(w, "vip:many", 200)}); err != nil {
		t.Fatal(err)
	}
	w.run()
	w.take("vip:many", 1)
	if n := len(w.addresses()); n != 200 {
		t.Fatalf("%d addresses", n)
	}
	if n := w.hands.Counters().Announced; n < 200 {
		t.Errorf("%d frames sent when Take returned, want one form of each", n)
	}
	w.await("the other form of each", func() bool { return w.hands.Counters().Announced >= 400 })
	if err := w.hands.Renew(); err != nil {
		t.Fatal(err)
	}
	w.drop("vip:many")
	if n := len(w.addresses()); n != 0 {
		t.Fatalf("%d addresses after Drop", n)
	}
}

// A thousand addresses of both families, and all their solicited-node groups.
func TestThousandAddresses(t *testing.T) {
	w := newWorld(t)
	set := manySet(w, "vip:many", 500)
	for i := range 500 {
		b := vip6.Addr().As16()
		binary.BigEndian.PutUint32(b[12:], uint32(0x10000+i))
		set.Addresses = append(set.Addresses, Address{Prefix: netip.PrefixFrom(netip.AddrFrom16(b), 64)})
	}
	if err := w.hands.Configure([]Set{set}); err != nil {
		t.Fatal(err)
	}
	w.run()
	w.take("vip:many", 1)
	if n := len(w.addresses()); n != 1000 {
		t.Fatalf("%d addresses", n)
	}
	w.await("both forms of IPv4's and the one of IPv6's", func() bool { return w.hands.Counters().Announced >= 1500 })
	if c := w.hands.Counters(); c.Unjoined != 0 {
		t.Errorf("counters after Take: %+v", c)
	}
	w.drop("vip:many")
	if n := len(w.addresses()); n != 0 {
		t.Fatalf("%d addresses after Drop", n)
	}
}

func TestTokensAreApart(t *testing.T) {
	w := newWorld(t,
		Set{Token: "vip:a", Addresses: []Address{{Prefix: vip4}, {Prefix: vip6}}},
		Set{Token: "vip:b", Addresses: []Address{{Prefix: netip.MustParsePrefix("192.0.2.11/24")}}})
	w.take("vip:a", 1)
	w.take("vip:b", 2)
	w.drop("vip:a")
	if got := fmt.Sprint(w.addresses()); got != "[192.0.2.11/32]" {
		t.Errorf("the node has %s", got)
	}
}

// The second address can't be added, so the first is taken back, also when the
// token was held before.
func TestAllOrNone(t *testing.T) {
	w := newWorld(t, Set{Token: "vip:front", Addresses: []Address{{vip4, "eth0"}, {vip6, "eth0"}}})
	w.take("vip:front", 1)
	w.node.Set("net/ipv6/conf/eth0/disable_ipv6", "1")
	err := w.hands.Take("vip:front", 2)
	if err == nil || !strings.HasPrefix(err.Error(), "take vip:front: add 2001:db8::10, interface eth0: ") {
		t.Errorf("got %v", err)
	}
	if got := w.addresses(); len(got) != 0 {
		t.Errorf("the node has %v", got)
	}
	if err := w.hands.Renew(); err != nil || len(w.addresses()) != 0 {
		t.Errorf("Renew after a failed Take: %v, %v", err, w.addresses())
	}
}

func TestConfigureTouchesOnlyWhatChanged(t *testing.T) {
	w := newWorld(t,
		Set{Token: "vip:a", Addresses: []Address{{Prefix: vip4}, {Prefix: vip6}}},
		Set{Token: "vip:b", Addresses: []Address{{Prefix: netip.MustParsePrefix("192.0.2.11/24")}}})
	w.run()
	w.take("vip:a", 1)
	w.take("vip:b", 2)
	err := w.hands.Configure([]Set{
		{Token: "vip:a", Addresses: []Address{{Prefix: vip4}, {Prefix: netip.MustParsePrefix("192.0.2.12/24")}}},
		{Token: "vip:c", Addresses: []Address{{Prefix: netip.MustParsePrefix("192.0.2.13/24")}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(w.addresses()); got != "[192.0.2.10/32 192.0.2.12/32]" {
		t.Errorf("the node has %s", got)
	}
	if n := w.hands.Counters().PutBack; n != 0 {
		t.Errorf("%d put back", n)
	}
	if err := w.hands.Configure(nil); err != nil {
		t.Fatal(err)
	}
	w.await("no interface in use", func() bool { return len(w.hands.Links()) == 0 })
	if w.told(func(e Event) bool { return e == LinkDown{"eth0"} }) {
		t.Error("an interface that is used no more was called down")
	}
}

// One loses the address that the other gains, whatever the order.
func TestConfigureMovesAnAddressBetweenTokens(t *testing.T) {
	front, back := Address{Prefix: vip4}, Address{Prefix: vip6}
	w := newWorld(t, Set{Token: "vip:a", Addresses: []Address{front}}, Set{Token: "vip:b", Addresses: []Address{back}})
	w.take("vip:a", 1)
	w.take("vip:b", 2)
	if err := w.hands.Configure([]Set{{Token: "vip:a", Addresses: []Address{back}}, {Token: "vip:b", Addresses: []Address{front}}}); err != nil {
		t.Fatal(err)
	}
	w.drop("vip:a")
	if got := fmt.Sprint(w.addresses()); got != "[192.0.2.10/32]" {
		t.Errorf("the node has %s", got)
	}
}

func TestConfigureAgainstTheSameTouchesNothing(t *testing.T) {
	w := newWorld(t, both...)
	w.take("vip:front", 1)
	before := w.hands.Counters()
	if err := w.hands.Configure(both); err != nil {
		t.Fatal(err)
	}
	if len(w.addresses()) != 2 || w.hands.Counters() != before {
		t.Errorf("the node has %v; counters %+v", w.addresses(), w.hands.Counters())
	}
}

// The time until all addresses are added and announced once, and off again.
func BenchmarkTakeAndDrop(b *testing.B) {
	for _, n := range []int{1, 200, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w := newWorld(b)
			if err := w.hands.Configure([]Set{manySet(w, "vip:many", n)}); err != nil {
				b.Fatal(err)
			}
			w.run()
			for b.Loop() {
				w.take("vip:many", 1)
				w.drop("vip:many")
			}
		})
	}
}

// The time from a removal by hand until the address is back.
func BenchmarkPutBack(b *testing.B) {
	w := newWorld(b, both...)
	w.run()
	for b.Loop() {
		b.StopTimer()
		w.take("vip:front", 1) // a new tenure, so that it never comes to a fight
		put := w.hands.Counters().PutBack
		b.StartTimer()
		w.removeByHand(vip4)
		for w.hands.Counters().PutBack == put {
			runtime.Gosched()
		}
	}
}

func BenchmarkRenew(b *testing.B) {
	for _, n := range []int{1, 200, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w := newWorld(b)
			if err := w.hands.Configure([]Set{manySet(w, "vip:many", n)}); err != nil {
				b.Fatal(err)
			}
			w.take("vip:many", 1)
			for b.Loop() {
				if err := w.hands.Renew(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
