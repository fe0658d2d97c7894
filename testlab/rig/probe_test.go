package rig_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"vipd/testlab/rig"
)

// own adds an address to a host's card, as a daemon would, and announces nothing.
func own(t *testing.T, p *rig.Port, address netip.Prefix) {
	t.Helper()
	if err := p.Host().Handle().AddrAdd(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: p.Index()}}, parse(t, address)); err != nil {
		t.Fatal(err)
	}
}

func disown(t *testing.T, p *rig.Port, address netip.Prefix) {
	t.Helper()
	if err := p.Host().Handle().AddrDel(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: p.Index()}}, parse(t, address)); err != nil {
		t.Fatal(err)
	}
}

func parse(t *testing.T, address netip.Prefix) *netlink.Addr {
	t.Helper()
	a, err := netlink.ParseAddr(address.String())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

const port = 7777

// The service answers on an address that came after it, from that address, and the
// probe measures the time in which the address was away, as long as it really was.
func TestProbeMeasuresADeliberateGap(t *testing.T) {
	for _, address := range []netip.Prefix{shared, shared6} {
		t.Run(address.Addr().String(), func(t *testing.T) {
			lab := rig.Start(t)
			sw, a, _ := pair(lab)
			client := lab.Host("client")
			client.Plug(sw, "eth0", netip.MustParsePrefix("192.0.2.100/24"), netip.MustParsePrefix("2001:db8::100/64"))
			a.Host().Respond(port)
			own(t, a, address)
			p := client.Probe(at(address, port))
			if err := p.Steady(limit(t), "hist-a", 200*time.Millisecond); err != nil {
				t.Fatal(err)
			}
			before := time.Now()
			time.Sleep(300 * time.Millisecond)
			calm := p.Report(before, time.Now())
			if calm.Datagrams.Asked == 0 || !slices.Equal(calm.Datagrams.Who, []string{"hist-a"}) ||
				!slices.Equal(calm.Connections.Who, []string{"hist-a"}) {
				t.Errorf("with nothing wrong: %+v", calm)
			}

			from := time.Now()
			disown(t, a, address)
			gone := time.Now()
			time.Sleep(250 * time.Millisecond)
			back := time.Now()
			own(t, a, address)
			if err := p.Steady(limit(t), "hist-a", 200*time.Millisecond); err != nil {
				t.Fatal(err)
			}
			to := time.Now()
			r := p.Report(from, to)
			away := back.Sub(gone)
			if r.Datagrams.Outage < away || r.Datagrams.Outage > to.Sub(from) {
				t.Errorf("datagrams: outage %v, the address was away %v of %v", r.Datagrams.Outage, away, to.Sub(from))
			}
			if r.Connections.Outage < away || r.Connections.Outage > to.Sub(from) {
				t.Errorf("connections: outage %v, the address was away %v of %v", r.Connections.Outage, away, to.Sub(from))
			}
			if r.Datagrams.Lost == 0 || r.Datagrams.Lost >= r.Datagrams.Asked || r.Connections.Lost == 0 {
				t.Errorf("lost: %+v", r)
			}
			if who, _ := p.Last(); who != "hist-a" {
				t.Errorf("last answer by %q", who)
			}
		})
	}
}

func TestProbeSaysWhoAnswered(t *testing.T) {
	lab := rig.Start(t)
	sw, a, b := pair(lab)
	client := lab.Host("client")
	client.Plug(sw, "eth0", netip.MustParsePrefix("192.0.2.100/24"))
	a.Host().Respond(port)
	b.Host().Respond(port)
	own(t, a, shared)
	p := client.Probe(at(shared, port))
	from := time.Now()
	if err := p.Steady(limit(t), "hist-a", 100*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	handed := time.Now()
	disown(t, a, shared)
	own(t, b, shared)
	forget(t, client)
	if err := p.Steady(limit(t), "hist-b", 100*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if got := p.Report(from, time.Now()).Datagrams.Who; !slices.Equal(got, []string{"hist-a", "hist-b"}) {
		t.Errorf("answered by %v", got)
	}
	if at, ok := p.Answered("hist-b", from); !ok || at.Before(handed) || at.After(time.Now()) {
		t.Errorf("hist-b first answered at %v, %v; it had the address from %v on", at, ok, handed)
	}
	if _, ok := p.Answered("hist-b", time.Now()); ok {
		t.Error("an answer from the future")
	}
	if err := p.Steady(expired(), "hist-a", 100*time.Millisecond); err == nil {
		t.Error("a host without the address answers steadily")
	}
}

// forget empties a host's neighbour cache, as an announcement would correct it.
func forget(t *testing.T, h *rig.Host) {
	t.Helper()
	neighbours, err := h.Handle().NeighList(0, netlink.FAMILY_V4)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range neighbours {
		h.Handle().NeighDel(&n)
	}
}
