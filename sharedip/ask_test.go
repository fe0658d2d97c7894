package sharedip

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"vipd/testlab/rig"
)

// join plugs one more host into the LAN, at that last number of both networks.
func (w *world) join(name, number string) *rig.Port {
	w.t.Helper()
	host := w.lab.Host(name)
	return host.Plug(w.lan, "eth0", netip.MustParsePrefix("192.0.2."+number+"/24"), netip.MustParsePrefix("2001:db8::"+number+"/64"))
}

// give puts an address on a host's card, by hand.
func (w *world) give(host *rig.Host, card string, p netip.Prefix) {
	w.t.Helper()
	w.giveNetwork(host, card, single(p.Addr()))
}

// giveNetwork adds an address with its network.
func (w *world) giveNetwork(host *rig.Host, card string, p netip.Prefix) {
	w.t.Helper()
	link, err := host.Handle().LinkByName(card)
	if err == nil {
		err = host.Handle().AddrAdd(link, &netlink.Addr{IPNet: ipNet(p), Flags: unix.IFA_F_NODAD})
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// ask asks and fails the test if that can't be.
func (w *world) askLAN(token string) time.Time {
	w.t.Helper()
	at, err := w.hands.Ask(token)
	if err != nil {
		w.t.Fatal(err)
	}
	return at
}

// answered asks until there is an answer from that card, and returns it.
func (w *world) answered(p netip.Prefix, from *rig.Port) (found Answered) {
	w.t.Helper()
	w.await("an answer for "+p.String()+" from "+from.MAC().String(), func() bool {
		after := w.askLAN("vip:front")
		time.Sleep(2 * time.Millisecond) // as an owner does that waits
		return w.told(func(e Event) bool {
			a, ok := e.(Answered)
			if ok = ok && a.Prefix == p && !a.At.Before(after) && a.MAC.String() == from.MAC().String(); ok {
				found = a
			}
			return ok
		})
	})
	return found
}

// Whoever has the address answers; the answer names the node, or nobody.
func TestAsk(t *testing.T) {
	for _, family := range []netip.Prefix{vip4, vip6} {
		w := newWorld(t, Set{Token: "vip:front", Addresses: []Address{{Prefix: family}}})
		peer, stranger := w.join("peer", "2"), w.join("stranger", "77")
		w.run()
		w.await("both addresses of the peer", func() bool { return len(w.knownNodes()) == 2 })
		w.give(peer.Host(), "eth0", family)
		if got := w.answered(family, peer); !slices.Contains(peerIPs, got.By) || got.Token != "vip:front" {
			t.Errorf("%s: answered %+v, want one of the peer's", family, got)
		}
		peer.Host().Destroy()
		w.give(stranger.Host(), "eth0", family)
		if got := w.answered(family, stranger); got.By.IsValid() {
			t.Errorf("%s: answered %+v, want nobody's", family, got)
		}
	}
}

// knownNodes lists the nodes' addresses whose hardware address is known.
func (w *world) knownNodes() (list []netip.Addr) {
	w.hands.mu.Lock()
	defer w.hands.mu.Unlock()
	for _, a := range w.hands.nodes.known {
		list = append(list, a.addr)
	}
	return list
}

// A client learns nothing of the address from a question for it.
func TestAskLeavesNoTrace(t *testing.T) {
	w := newWorld(t, both...)
	w.run()
	arp, ns := w.listen(unix.ETH_P_ARP), w.listen(unix.ETH_P_IPV6)
	w.askLAN("vip:front")
	probe := w.next(arp, func(f []byte) bool { return netip.AddrFrom4([4]byte(f[38:42])) == vip4.Addr() })
	if sender := netip.AddrFrom4([4]byte(probe[28:32])); !sender.IsUnspecified() {
		t.Errorf("the ARP probe's sender is %s", sender)
	}
	got := w.next(ns, func(f []byte) bool {
		return len(f) >= 78 && f[20] == unix.IPPROTO_ICMPV6 && f[54] == solicitation && netip.AddrFrom16([16]byte(f[62:78])) == vip6.Addr()
	})
	if source := netip.AddrFrom16([16]byte(got[22:38])); !source.IsLinkLocalUnicast() {
		t.Errorf("the solicitation's source is %s, want a link-local address", source)
	}
	if to := net.HardwareAddr(got[:6]).String(); to != "33:33:ff:00:00:10" {
		t.Errorf("the solicitation goes to %s", to)
	}
}

// Two nodes' hands: one sees the other's questions.
func TestPeerAsks(t *testing.T) {
	w := newWorld(t, both...)
	peer := w.join("peer", "2")
	w.run()
	w.await("the peer", func() bool { return len(w.knownNodes()) == 2 })
	other := w.second(peer.Host(), both...)
	if _, err := other.Ask("vip:front"); err != nil {
		t.Fatal(err)
	}
	w.await("the peer's question", func() bool {
		return w.told(func(e Event) bool {
			a, ok := e.(PeerAsks)
			return ok && a.Token == "vip:front" && slices.Contains(peerIPs, a.By)
		})
	})
}

// second opens hands on the peer, which say nothing.
func (w *world) second(host *rig.Host, sets ...Set) (h *AddressManager) {
	w.t.Helper()
	err := host.Do(func() (err error) {
		h, err = Open(Options{
			Own: peerIPs, Peers: nodeIPs,
			Owns: func(string, uint64) bool { return true }, Event: func(Event) {},
		})
		if err == nil {
			err = h.Configure(sets)
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(h.Close)
	return h
}

func TestAskThatCannotBe(t *testing.T) {
	w := newWorld(t, both...)
	w.run()
	if _, err := w.hands.Ask("vip:x"); err == nil {
		t.Error("asked for a token that is not configured")
	}
	w.port.Down()
	w.is(LinkDown{"eth0"})
	if _, err := w.hands.Ask("vip:front"); err == nil {
		t.Error("asked without a carrier")
	}
}

// The time to ask for all addresses of a token, or for as many as one Ask does.
func BenchmarkAsk(b *testing.B) {
	for _, n := range []int{1, 200, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w := newWorld(b)
			w.configure(manySet(w, "vip:many", n))
			w.run()
			for b.Loop() {
				w.askLAN("vip:many")
			}
		})
	}
}

// The time from a question until the answer of the other node is told.
func BenchmarkAnswer(b *testing.B) {
	w := newWorld(b, Set{Token: "vip:front", Addresses: []Address{{Prefix: vip4}}})
	peer := w.join("peer", "2")
	w.give(peer.Host(), "eth0", vip4)
	w.run()
	for b.Loop() {
		w.mu.Lock()
		w.events = nil
		w.mu.Unlock()
		w.askLAN("vip:front")
		for !w.told(func(e Event) bool { _, ok := e.(Answered); return ok }) {
			runtime.Gosched()
		}
	}
}
