package multicast

import (
	"errors"
	"fmt"
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

// Link-local addresses are alike on every card; the path's own must be meant.
func TestLinkLocalPath(t *testing.T) {
	lab := rig.Start(t)
	plug(t, lab.Host("a"), lab.Switch("other"), "eth0", 0, 1)
	lan := lab.Switch("lan")
	a, b := plug(t, lab.Host("a"), lan, "eth1", 1, 1), plug(t, lab.Host("b"), lan, "eth1", 1, 2)
	meet(a, b)
	global := Options{Local: a.v6, Port: port + 1}
	a.v6, b.v6 = netip.MustParseAddr("fe80::a"), netip.MustParseAddr("fe80::b")
	a.addAddr(a.v6, 64)
	b.addAddr(b.v6, 64)
	path := func(h *host) Options {
		return Options{Local: h.v6.WithZone("eth1"), Port: port, Group: netip.MustParseAddrPort("[ff02::7:1]:7000")}
	}
	ca, cb := a.open(path(a)), b.open(path(b))
	must(t, ca.SendGroup([]byte("to all")))
	got := expect(t, cb.Group(), "to all", netip.AddrPortFrom(a.v6.WithZone("eth1"), port))
	must(t, cb.Send([]byte("answer"), got.Addr))
	expect(t, ca.Unicast(), "answer", netip.AddrPortFrom(b.v6.WithZone("eth1"), port))
	if at := cb.Unicast().Local(); at != netip.AddrPortFrom(b.v6.WithZone("eth1"), port) {
		t.Errorf("bound to %v", at)
	}

	wide := a.open(global)
	must(t, wide.Send([]byte("from a wider scope"), netip.AddrPortFrom(b.v6, port)))
	expect(t, cb.Unicast(), "from a wider scope", wide.Unicast().Local())
}

func TestMappedAddressesAreIPv4(t *testing.T) {
	a, b := newLAN(t)
	mapped := func(addr netip.Addr) netip.Addr { return netip.AddrFrom16(addr.As16()) }
	ca := a.open(Options{Local: mapped(a.v4), Port: port})
	cb := b.open(Options{Local: b.v4, Port: port})
	must(t, ca.Send([]byte("x"), netip.AddrPortFrom(mapped(b.v4), port)))
	expect(t, cb.Unicast(), "x", netip.AddrPortFrom(a.v4, port))
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

// Raw IP sockets are opened elsewhere; reading and writing them is the same.
func TestWrapARawSocket(t *testing.T) {
	const protocol, header = "ip4:113", 20 // PGM; bytes of an IPv4 header
	a, b := newLAN(t)
	open := func(h *host) (s *Socket) {
		must(t, h.Do(func() error {
			conn, err := net.ListenIP(protocol, &net.IPAddr{IP: h.v4.AsSlice()})
			if err != nil {
				return err
			}
			iface, err := net.InterfaceByName(h.card)
			if err != nil {
				return err
			}
			s, err = Wrap(conn, iface)
			return err
		}))
		t.Cleanup(func() { s.Close() })
		return s
	}
	sa, sb := open(a), open(b)
	if got := sa.Local(); got != netip.AddrPortFrom(a.v4, 0) {
		t.Errorf("bound to %v", got)
	}
	if n, err := sa.Write(numbered(3, 500, Datagram{Addr: netip.AddrPortFrom(b.v4, 0)})); n != 3 || err != nil {
		t.Fatalf("wrote %d, %v", n, err)
	}
	for i, got := range readAll(t, sb, 3, 3) {
		if want := fmt.Sprintf("%06d", i); len(got) != header+500 || string(got[header:header+6]) != want {
			t.Errorf("got %d bytes, %q, want %q", len(got), got[header:header+6], want)
		}
	}
}
