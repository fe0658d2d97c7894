package sharedip

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"
	"vipd/sharedip/announce"
	"vipd/sharedip/neighbor"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/arp"
	"github.com/vishvananda/netlink"

	"vipd/testlab/rig"
)

var (
	router4 = netip.MustParseAddr("192.0.2.254")
	router6 = netip.MustParseAddr("2001:db8::254")
	stale   = net.HardwareAddr{2, 0, 0, 0, 0, 1} // of a host that is no more
)

// router plugs in a host that the node's default routes lead through, and whose
// caches name a host that is no more.
func (w *world) router() *rig.Port {
	w.t.Helper()
	host := w.lab.Host("router")
	port := host.Plug(w.lan, "eth0", netip.PrefixFrom(router4, 24), netip.PrefixFrom(router6, 64))
	for _, to := range []netip.Addr{router4, router6} {
		err := w.node.Handle().RouteAdd(&netlink.Route{LinkIndex: w.port.Index(), Gw: to.AsSlice()})
		if err != nil {
			w.t.Fatal(err)
		}
	}
	w.spoil(port, stale)
	return port
}

// spoil writes a wrong hardware address into a host's cache.
func (w *world) spoil(port *rig.Port, mac net.HardwareAddr) {
	w.t.Helper()
	for _, p := range []netip.Prefix{vip4, vip6} {
		err := port.Host().Handle().NeighSet(&netlink.Neigh{
			LinkIndex: port.Index(), IP: p.Addr().AsSlice(), HardwareAddr: mac, State: netlink.NUD_REACHABLE,
		})
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

// cached is where a host's cache says that an address is.
func (w *world) cached(port *rig.Port, addr netip.Addr) string {
	w.t.Helper()
	list, err := port.Host().Handle().NeighList(port.Index(), netlink.FAMILY_ALL)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, n := range list {
		if n.IP.Equal(addr.AsSlice()) {
			return n.HardwareAddr.String()
		}
	}
	return ""
}

// swallow makes a host's card lose frames in which the bytes at those offsets of
// the network header are those, until undone.
func (w *world) swallow(port *rig.Port, parts map[uint32][]byte) (undo func()) {
	w.t.Helper()
	table := &nftables.Table{Family: nftables.TableFamilyNetdev, Name: "swallow"}
	chain := &nftables.Chain{
		Name: "in", Table: table, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookIngress,
		Priority: nftables.ChainPriorityFilter, Device: "eth0",
	}
	var exprs []expr.Any
	for at, value := range parts {
		exprs = append(exprs,
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseLLHeader, Offset: at, Len: uint32(len(value))},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: value})
	}
	change := func(what func(*nftables.Conn)) {
		err := port.Host().Do(func() error {
			c, err := nftables.New()
			if err != nil {
				return err
			}
			what(c)
			return c.Flush()
		})
		if err != nil {
			w.t.Fatal(err)
		}
	}
	change(func(c *nftables.Conn) {
		c.AddTable(table)
		c.AddChain(chain)
		c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: append(exprs, &expr.Verdict{Kind: expr.VerdictDrop})})
	})
	return func() { change(func(c *nftables.Conn) { c.DelTable(table) }) }
}

// proved waits until a neighbour has proved an address.
func (w *world) proved(p netip.Prefix, by netip.Addr) (found Proved) {
	w.t.Helper()
	w.await(fmt.Sprintf("proof of %s by %s", p, by), func() bool {
		return w.told(func(e Event) bool {
			f, ok := e.(Proved)
			if ok = ok && f.Prefix == p && f.By == by && f.Token == "vip:front"; ok {
				found = f
			}
			return ok
		})
	})
	return found
}

// A router with a wrong entry proves the address, whichever form of the
// announcement doesn't reach it.
func TestRouterProves(t *testing.T) {
	arp := []byte{8, 6}
	for _, row := range []struct {
		name string
		lost map[uint32][]byte
	}{
		{"nothing", nil},
		{"request form", map[uint32][]byte{12: arp, arpOpAt: {0, arpRequest}, arpTargetAt: vip4.Addr().AsSlice()}},
		{"reply form", map[uint32][]byte{12: arp, arpOpAt: {0, arpReply}, arpTargetAt: vip4.Addr().AsSlice()}},
		{"both forms", map[uint32][]byte{12: arp, arpTargetAt: vip4.Addr().AsSlice()}},
		{"advertisement", map[uint32][]byte{12: {0x86, 0xdd}, icmpAt: {advertisement}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, both...)
			router := w.router()
			if row.lost != nil {
				w.swallow(router, row.lost)
			}
			w.run()
			w.take("vip:front", 1)
			w.proved(vip4, router4)
			w.proved(vip6, router6)
			for _, p := range []netip.Prefix{vip4, vip6} {
				if got := w.cached(router, p.Addr()); got != w.port.MAC().String() {
					t.Errorf("proved, and yet the router has %s at %s", p, got)
				}
			}
		})
	}
}

// Named neighbours prove beside the router, each for itself.
func TestNamedNeighbourProves(t *testing.T) {
	set := both[0]
	set.Prove = []netip.Addr{netip.MustParseAddr("192.0.2.9"), netip.MustParseAddr("2001:db8::9")}
	w := newWorld(t, set)
	w.router()
	w.run()
	w.take("vip:front", 1)
	w.proved(vip4, router4)
	w.proved(vip4, set.Prove[0])
	w.proved(vip6, router6)
	w.proved(vip6, set.Prove[1])
}

// An answer that goes to all, or to another card, shows nothing of where the
// neighbour believes the address to be.
func TestOnlyAnswersToOurCardProve(t *testing.T) {
	w := newWorld(t, both...)
	router, client := w.router(), w.client.Port("eth0")
	w.swallow(router, map[uint32][]byte{6: w.port.MAC()})
	w.run()
	w.take("vip:front", 1)
	f, err := neighbor.ARPFrame(arp.OperationReply, router.MAC(), router4, w.port.MAC(), vip4.Addr())
	if err != nil {
		t.Fatal(err)
	}
	w.put(client, f)
	w.claims(client, vip6) // comes after it
	w.claimed(vip6, client.MAC())
	if w.told(func(e Event) bool { p, ok := e.(Proved); return ok && p.Prefix == vip4 }) {
		t.Error("proved by an answer to all")
	}
	f.To = w.port.MAC()
	w.put(client, f)
	w.proved(vip4, router4)
}

// A neighbour that never answers is asked and announced to, for a bounded time,
// and then told of.
func TestUnproved(t *testing.T) {
	t.Parallel()
	w := newWorld(t, both...)
	router := w.router()
	w.swallow(router, map[uint32][]byte{6: w.port.MAC()})
	w.run()
	begun := time.Now()
	w.take("vip:front", 1)
	w.is(Unproved{"vip:front", vip4, router4})
	w.is(Unproved{"vip:front", vip6, router6})
	if took := time.Since(begun); took < announce.ProofTime {
		t.Errorf("given up after %v", took)
	}
	c := w.hands.Counters()
	if most := uint64(2 * announce.Questions); c.Asked > most || c.Announced > 9+2*uint64(announce.Questions-announce.FirstWithAnnouncement) {
		t.Errorf("%d questions, %d announcements", c.Asked, c.Announced)
	}
	if c.Announced <= 9 {
		t.Error("not announced again")
	}
}

// Without anybody to ask, a packet to the address proves it.
func TestPacketProves(t *testing.T) {
	w := newWorld(t, both...)
	w.run()
	w.take("vip:front", 1)
	probe := w.client.Probe(netip.AddrPortFrom(vip4.Addr(), 9))
	defer probe.Close()
	six := w.client.Probe(netip.AddrPortFrom(vip6.Addr(), 9))
	defer six.Close()
	w.proved(vip4, netip.MustParseAddr("192.0.2.9"))
	w.proved(vip6, netip.MustParseAddr("2001:db8::9"))
	seen := w.hands.Counters().Seen
	time.Sleep(50 * time.Millisecond) // of packets, one each millisecond from both
	if more := w.hands.Counters().Seen - seen; more > 50 {
		t.Errorf("%d packets read after the proof", more)
	}
}

// With nobody to ask and no traffic, nobody is named.
func TestNobodyToAsk(t *testing.T) {
	t.Parallel()
	w := newWorld(t, both...)
	w.run()
	w.take("vip:front", 1)
	w.is(Unproved{"vip:front", vip4, netip.Addr{}})
	if w.hands.Counters().Asked != 0 {
		t.Error("somebody was asked")
	}
}
