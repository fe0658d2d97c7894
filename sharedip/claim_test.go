package sharedip

import (
	"context"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"
	"vipd/sharedip/announce"
	"vipd/sharedip/neighbor"
	"vipd/sharedip/rtnl"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ndp"
	"golang.org/x/sys/unix"

	"vipd/testlab/rig"
)

// claims sends on a card what announces an address there.
func (w *world) claims(port *rig.Port, p netip.Prefix) {
	w.t.Helper()
	l := rtnl.Link{LinkState: rtnl.LinkState{Index: port.Index(), MAC: port.MAC()}, Ethernet: true}
	frames, err := neighbor.NewAnnouncement(l, p.Addr())
	if err != nil {
		w.t.Fatal(err)
	}
	w.put(port, frames...)
}

// put sends frames from a card.
func (w *world) put(port *rig.Port, frames ...neighbor.Frame) {
	w.t.Helper()
	var out *neighbor.Sender
	err := port.Host().Do(func() (err error) { out, err = neighbor.OpenSender(); return err })
	if err != nil {
		w.t.Fatal(err)
	}
	defer out.Close()
	for _, f := range frames {
		if err := out.Send(port.Index(), f); err != nil {
			w.t.Fatal(err)
		}
	}
}

// claimed waits for the alarm.
func (w *world) claimed(p netip.Prefix, mac net.HardwareAddr) (found Claimed) {
	w.t.Helper()
	w.await("an alarm for "+p.String(), func() bool {
		return w.told(func(e Event) bool {
			c, ok := e.(Claimed)
			if ok = ok && c.Prefix == p && c.MAC.String() == mac.String(); ok {
				found = c
			}
			return ok
		})
	})
	return found
}

// A stranger claims both addresses: that is told within a second, and the client that
// it misled is led back within two.
func TestForeignClaim(t *testing.T) {
	w := newWorld(t, both...)
	rogue := w.join("rogue", "66")
	client := w.client.Port("eth0")
	w.run()
	w.takeAndSettle()
	for _, p := range []netip.Prefix{vip4, vip6} {
		w.spoil(client, rogue.MAC())
		w.claims(rogue, p)
		claimed := time.Now()
		if c := w.claimed(p, rogue.MAC()); c.By.IsValid() || c.Token != "vip:front" {
			t.Errorf("alarm %+v", c)
		}
		if took := time.Since(claimed); took > time.Second {
			t.Errorf("alarm after %v", took)
		}
		w.await("the client to be led back to "+p.String(), func() bool {
			return w.cached(client, p.Addr()) == w.port.MAC().String()
		})
		if took := time.Since(claimed); took > 2*time.Second {
			t.Errorf("the client was led back after %v", took)
		}
	}
	if n := w.hands.Counters().Defended; n == 0 {
		t.Error("not defended")
	}
}

// Every form in which an address may be claimed.
func TestFormsOfClaims(t *testing.T) {
	w := newWorld(t, both...)
	client := netip.MustParseAddr("192.0.2.9")
	w.run()
	w.take("vip:front", 1)
	for i, form := range []struct {
		of   netip.Prefix
		make func(mac net.HardwareAddr) (neighbor.Frame, error)
	}{
		{vip4, func(mac net.HardwareAddr) (neighbor.Frame, error) {
			return neighbor.ARPFrame(arp.OperationRequest, mac, vip4.Addr(), make(net.HardwareAddr, 6), client)
		}},
		{vip4, func(mac net.HardwareAddr) (neighbor.Frame, error) {
			return neighbor.ARPFrame(arp.OperationReply, mac, vip4.Addr(), mac, client)
		}},
		{vip6, func(mac net.HardwareAddr) (neighbor.Frame, error) {
			return neighbor.NewQuestion(rtnl.Link{LinkState: rtnl.LinkState{MAC: mac}}, vip6.Addr(), netip.MustParseAddr("2001:db8::9"))
		}},
		{vip6, func(mac net.HardwareAddr) (neighbor.Frame, error) {
			return neighbor.NDPFrame(&ndp.NeighborAdvertisement{Solicited: true, TargetAddress: vip6.Addr(), Options: []ndp.Option{
				&ndp.LinkLayerAddress{Direction: ndp.Target, Addr: mac},
			}}, vip6.Addr(), neighbor.AllNodes)
		}},
	} {
		mac := net.HardwareAddr{2, 0, 0, 0, 1, byte(i)}
		f, err := form.make(mac)
		if err != nil {
			t.Fatal(err)
		}
		w.put(w.client.Port("eth0"), f)
		w.claimed(form.of, mac)
	}
}

// Against a claimant that never tires, the address is defended a few times, and
// neither the questions nor the announcements of the proof go on against it.
func TestDefenceHasAnEnd(t *testing.T) {
	for _, row := range []struct {
		of     netip.Prefix
		router netip.Addr
		forms  uint64 // frames of one announcement
	}{{vip4, router4, 2}, {vip6, router6, 1}} {
		t.Run(row.of.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, Set{Token: "vip:front", Addresses: []Address{{Prefix: row.of}}})
			rogue := w.join("rogue", "66")
			w.router()
			w.run()
			w.take("vip:front", 1)
			w.proved(row.of, row.router)
			w.await("the series", func() bool { return w.hands.Counters().Announced == 3*row.forms })
			before := w.hands.Counters()
			for end := time.Now().Add(5500 * time.Millisecond); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
				w.claims(rogue, row.of)
			}
			c := w.hands.Counters()
			if c.Defended != announce.Defences || c.Announced != before.Announced+row.forms*announce.Defences || c.Asked > before.Asked+announce.Defences {
				t.Errorf("defended %d times, announced %d, asked %d", c.Defended, c.Announced-before.Announced, c.Asked-before.Asked)
			}
			if told := w.count(func(e Event) bool { _, ok := e.(Claimed); return ok }); told > 7 {
				t.Errorf("%d alarms in 6 s", told)
			}
		})
	}
}

func (w *world) count(is func(Event) bool) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		if is(e) {
			n++
		}
	}
	return n
}

// Another node's claim is its owner's to judge: told, and not defended.
func TestNodesClaim(t *testing.T) {
	w := newWorld(t, both...)
	peer := w.join("peer", "2")
	w.run()
	w.await("the peer", func() bool { return len(w.knownNodes()) == 2 })
	w.takeAndSettle()
	for _, p := range []netip.Prefix{vip4, vip6} {
		w.claims(peer, p)
		if c := w.claimed(p, peer.MAC()); !slices.Contains(peerIPs, c.By) {
			t.Errorf("alarm %+v", c)
		}
	}
	if n := w.hands.Counters().Defended; n != 0 {
		t.Errorf("defended %d times against a node", n)
	}
}

// Against a node's claim the address is defended when its owner says so: that address
// alone, and as seldom as against a stranger.
func TestDefendAgainstANode(t *testing.T) {
	w := newWorld(t, both...)
	w.run()
	w.takeAndSettle()
	w.hands.Defend("vip:front", vip4.Addr())
	w.await("the defence", func() bool { return w.hands.Counters().Defended == 1 })
	for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		w.hands.Defend("vip:front", vip4.Addr())
	}
	if n := w.hands.Counters().Defended; n != 1 {
		t.Errorf("defended %d times within a second", n)
	}
	w.hands.Defend("vip:other", vip4.Addr()) // nothing of ours
	w.await("the next defence", func() bool { return w.hands.Counters().Defended == 2 })
}

// A node that announces before it has been met is asked who it is, and taken for no
// stranger.
func TestClaimOfANodeNotMet(t *testing.T) {
	w := newWorld(t, both...)
	w.run()
	w.takeAndSettle()
	peer := w.join("peer", "2")
	w.claims(peer, vip4)
	if c := w.claimed(vip4, peer.MAC()); !slices.Contains(peerIPs, c.By) {
		t.Errorf("alarm %+v", c)
	}
	if w.told(func(e Event) bool { c, ok := e.(Claimed); return ok && !c.By.IsValid() }) || w.hands.Counters().Defended != 0 {
		t.Error("taken for a stranger")
	}
}

// A standby tells of a stranger, and leaves the defence to the holder; that the
// other node holds is no alarm.
func TestClaimOfWhatIsNotHeld(t *testing.T) {
	w := newWorld(t, both...)
	peer, rogue := w.join("peer", "2"), w.join("rogue", "66")
	w.run()
	w.await("the peer", func() bool { return len(w.knownNodes()) == 2 })
	w.claims(peer, vip4)
	w.await("the peer's announcement", func() bool {
		return w.told(func(e Event) bool { a, ok := e.(Answered); return ok && a.MAC.String() == peer.MAC().String() })
	})
	w.claims(rogue, vip4)
	w.claimed(vip4, rogue.MAC())
	if w.told(func(e Event) bool { c, ok := e.(Claimed); return ok && c.By.IsValid() }) {
		t.Error("an alarm that the other node holds")
	}
	if n := w.hands.Counters().Defended; n != 0 {
		t.Errorf("defended %d times what is not held", n)
	}
}

// The kernel itself turns away what others ask each other.
func TestFlood(t *testing.T) {
	w := newWorld(t, Set{Token: "vip:front", Addresses: []Address{{Prefix: vip4}}})
	rogue := w.join("rogue", "66")
	w.run()
	w.take("vip:front", 1)
	flood := func(from, to string) {
		f, err := neighbor.ARPFrame(arp.OperationRequest, rogue.MAC(), netip.MustParseAddr(from), rogue.MAC(), netip.MustParseAddr(to))
		if err != nil {
			t.Fatal(err)
		}
		w.put(rogue, slices.Repeat([]neighbor.Frame{f}, 5000)...)
	}
	before := w.hands.Counters().Seen
	flood("192.0.2.66", "192.0.2.67")
	if n := w.hands.Counters().Seen - before; n > 10 {
		t.Errorf("%d frames read that are no matter of ours", n)
	}
	flood("192.0.2.10", "192.0.2.67")
	w.claimed(vip4, rogue.MAC())
}

// However fast claims come, they are read at a bounded pace.
func TestReadingHasAPace(t *testing.T) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(ends[1])
	in, err := neighbor.NewFrameReader(os.NewFile(uintptr(ends[0]), "frames"))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	ctx, stop := context.WithCancel(context.Background())
	begun, read := time.Now(), 0
	done := make(chan error)
	go func() {
		done <- new(AddressManager).readTap(ctx, in, func(neighbor.ReceivedFrame, time.Time) { read++ })
	}()
	for time.Since(begun) < 4*burstTime {
		unix.Send(ends[1], make([]byte, 60), 0)
	}
	stop()
	in.SetReadDeadline(time.Unix(1, 0))
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if most := burstMost * (2 + int(time.Since(begun)/burstTime)); read == 0 || read > most {
		t.Errorf("%d frames read, want %d at most", read, most)
	}
}
