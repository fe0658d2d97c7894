package multicast

import (
	"errors"
	"net"
	"net/netip"
	"testing"

	"vipd/testlab/rig"
)

func TestUnicastAndMulticastBetweenTwoHosts(t *testing.T) {
	overBoth(t, func(t *testing.T, f family, a, b *host) {
		ca, cb := a.open(f.path(a)), b.open(f.path(b))
		must(t, ca.Send([]byte("to one"), f.at(b)))
		if got := expect(t, cb.Unicast(), "to one", f.at(a)); got.Multicast {
			t.Error("unicast is marked as multicast")
		}
		must(t, ca.SendGroup([]byte("to all")))
		if got := expect(t, cb.Group(), "to all", f.at(a)); !got.Multicast {
			t.Error("multicast is not marked")
		}
		expectNone(t, cb.Unicast())
		expectNone(t, ca.Group()) // loopback is off by default
		if got := cb.Unicast().Local(); got != f.at(b) {
			t.Errorf("bound to %v, want %v", got, f.at(b))
		}
		if got := cb.Interface().Name; got != "eth0" {
			t.Errorf("on %s, want eth0", got)
		}
	})
}

func TestLinkLocalPath(t *testing.T) {
	a, b := newLAN(t)
	a.v6, b.v6 = netip.MustParseAddr("fe80::a"), netip.MustParseAddr("fe80::b")
	a.addAddr(a.v6, 64)
	b.addAddr(b.v6, 64)
	o := func(h *host) Options {
		return Options{Local: h.v6.WithZone("eth0"), Port: port, Group: netip.MustParseAddrPort("[ff02::7:1]:7000")}
	}
	ca, cb := a.open(o(a)), b.open(o(b))
	from := netip.AddrPortFrom(a.v6.WithZone("eth0"), port)
	must(t, ca.SendGroup([]byte("to all")))
	got := expect(t, cb.Group(), "to all", from)
	must(t, cb.Send([]byte("answer"), got.Addr))
	expect(t, ca.Unicast(), "answer", netip.AddrPortFrom(b.v6.WithZone("eth0"), port))
}

func TestGroupsOnOnePortDontLeak(t *testing.T) {
	overBoth(t, func(t *testing.T, f family, a, b *host) {
		ca, cb := a.open(f.path(a)), b.open(f.path(b))
		one, two := cb.Group(), b.join(cb, netip.AddrPortFrom(f.other, port))
		must(t, ca.Send([]byte("for two"), netip.AddrPortFrom(f.other, port)))
		expect(t, two, "for two", f.at(a))
		expectNone(t, one)
		must(t, ca.Send([]byte("for one"), netip.AddrPortFrom(f.group, port)))
		expect(t, one, "for one", f.at(a))
		expectNone(t, two)

		must(t, two.Close()) // leaves the group
		must(t, ca.Send([]byte("for nobody"), netip.AddrPortFrom(f.other, port)))
		must(t, ca.SendGroup([]byte("for one again")))
		expect(t, one, "for one again", f.at(a))
	})
}

// Two paths of a host are in the same group; each hears its own network only.
func TestPathsDontLeak(t *testing.T) {
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			lab := rig.Start(t)
			lan, cable := lab.Switch("lan"), lab.Switch("cable")
			a0 := plug(t, lab.Host("a"), lan, "eth0", 0, 1)
			a1 := plug(t, a0.Host, cable, "eth1", 1, 1)
			b0 := plug(t, lab.Host("b"), lan, "eth0", 0, 2)
			b1 := plug(t, b0.Host, cable, "eth1", 1, 2)
			meet(a0, b0)
			meet(a1, b1)
			ca0, ca1 := a0.open(f.path(a0)), a1.open(f.path(a1))
			cb0, cb1 := b0.open(f.path(b0)), b1.open(f.path(b1))
			must(t, ca0.SendGroup([]byte("by lan")))
			must(t, ca1.SendGroup([]byte("by cable")))
			expect(t, cb0.Group(), "by lan", f.at(a0))
			expect(t, cb1.Group(), "by cable", f.at(a1))
			expectNone(t, cb0.Group())
			expectNone(t, cb1.Group())
		})
	}
}

func TestSeveralOnOneHostAndPort(t *testing.T) {
	overBoth(t, func(t *testing.T, f family, a, b *host) {
		o := f.path(a)
		alone := a.open(o)
		if err := a.Do(func() error { _, err := Open(o); return err }); err == nil {
			t.Fatal("a second path on the same address and port was opened")
		}
		must(t, alone.Close())

		o.Share, o.Loopback = true, true
		one, two := a.open(o), a.open(o)
		must(t, one.SendGroup([]byte("to all here")))
		expect(t, one.Group(), "to all here", f.at(a))
		expect(t, two.Group(), "to all here", f.at(a))

		cb := b.open(f.path(b)) // another host hears it too, and both hear it
		must(t, two.SendGroup([]byte("to all there")))
		expect(t, cb.Group(), "to all there", f.at(a))
		expect(t, one.Group(), "to all there", f.at(a))
		must(t, cb.SendGroup([]byte("from there")))
		expect(t, one.Group(), "from there", f.at(b))
		expect(t, two.Group(), "to all there", f.at(a))
		expect(t, two.Group(), "from there", f.at(b))
	})
}

// An address that came before the node's own must not become the source.
func TestSourceIsTheLocalAddress(t *testing.T) {
	overBoth(t, func(t *testing.T, f family, a, b *host) {
		own := f.of(a)
		shared := own.Next().Next().Next()
		a.delAddr(own, f.bits)
		a.addAddr(shared, f.max)
		a.addAddr(own, f.bits)
		ca, cb := a.open(f.path(a)), b.open(f.path(b))
		must(t, ca.Send([]byte("one"), f.at(b)))
		must(t, ca.SendGroup([]byte("all")))
		expect(t, cb.Unicast(), "one", f.at(a))
		expect(t, cb.Group(), "all", f.at(a))
		a.delAddr(shared, f.max)
		must(t, ca.SendGroup([]byte("all again")))
		expect(t, cb.Group(), "all again", f.at(a))
	})
}

func TestCloseEndsARead(t *testing.T) {
	overBoth(t, func(t *testing.T, f family, a, _ *host) {
		c := a.open(f.path(a))
		ended := make(chan error, 2)
		for _, s := range []*Socket{c.Unicast(), c.Group()} {
			go func() {
				_, err := s.Read(NewBatch(1, 64))
				ended <- err
			}()
		}
		must(t, c.Close())
		for range cap(ended) {
			if err := <-ended; !errors.Is(err, net.ErrClosed) {
				t.Errorf("Read ended with %v, want net.ErrClosed", err)
			}
		}
		if err := c.SendGroup(nil); !errors.Is(err, net.ErrClosed) || Transient(err) {
			t.Errorf("SendGroup after Close: %v, want net.ErrClosed", err)
		}
	})
}

func TestOptionsRefused(t *testing.T) {
	local, group := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddrPort("239.192.77.1:7000")
	cases := []struct {
		name    string
		options Options
	}{
		{"no local address", Options{Group: group}},
		{"every local address", Options{Local: netip.IPv4Unspecified()}},
		{"a group as local address", Options{Local: group.Addr()}},
		{"TTL below 0", Options{Local: local, TTL: -1}},
		{"TTL above 255", Options{Local: local, TTL: 256}},
		{"a group that is none", Options{Local: local, Group: netip.MustParseAddrPort("10.0.0.9:7000")}},
		{"a group without a port", Options{Local: local, Group: netip.AddrPortFrom(group.Addr(), 0)}},
		{"a group of the other family", Options{Local: netip.IPv6Loopback(), Group: group}},
	}
	for _, c := range cases {
		if _, err := Open(c.options); err == nil || Transient(err) {
			t.Errorf("%s: %v, want a lasting error", c.name, err)
		}
	}
}

func TestPathWithoutAGroup(t *testing.T) {
	a, _ := newLAN(t)
	c := a.open(Options{Local: a.v4})
	if c.Group() != nil {
		t.Error("a group was joined")
	}
	if c.Unicast().Local().Port() == 0 {
		t.Error("the kernel chose no port")
	}
	if err := c.SendGroup(nil); err == nil || Transient(err) {
		t.Errorf("SendGroup: %v, want a lasting error", err)
	}
	if err := a.Do(func() error { _, err := c.Join(netip.MustParseAddrPort("[ff05::1]:7000")); return err }); err == nil {
		t.Error("joined a group of the other family")
	}
}
