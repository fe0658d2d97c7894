package faults

import (
	"context"
	"iter"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"vipd/testlab/attack"
	"vipd/testlab/rig"
	"vipd/vipd/control"
)

// heartbeatFrames begins to record the heartbeats that come in frames on the clients' network.
func (e *stranger) heartbeatFrames() *attack.Recorder {
	e.site.t.Helper()
	var r *attack.Recorder
	if err := e.host.Do(func() (err error) { r, err = e.lan.RecordFrames(); return err }); err != nil {
		e.site.t.Fatal(err)
	}
	e.site.t.Cleanup(func() { r.Stop() })
	return r
}

// framesSince are the frames that came after the instant.
func framesSince(r *attack.Recorder, at time.Time) attack.Recording {
	all := r.SoFar()
	i, _ := slices.BinarySearchFunc(all, at, func(f attack.Frame, at time.Time) int { return f.At.Compare(at) })
	return all[i:]
}

// quiet waits until no heartbeat has come in a frame for so long.
func (s *site) quiet(r *attack.Recorder, long time.Duration) {
	s.t.Helper()
	s.eventually("no heartbeat in a frame for "+long.String(), func() bool {
		from := time.Now().Add(-long)
		return from.After(s.began) && len(framesSince(r, from)) == 0
	})
}

// A pair that hears each other sends no heartbeat in frames on the clients' network; when
// the ordinary paths are cut, both do before either is taken for dead, and cease when
// these are whole again.
func TestFramesOnlyInTrouble(t *testing.T) {
	t.Parallel()
	s := newSite(t, stays)
	frames := s.stranger().heartbeatFrames()
	s.startInOrder()
	s.quiet(frames, 3*time.Second)
	for range 2 {
		cut := time.Now()
		heal := s.cut()
		for _, n := range []*node{s.a, s.b} {
			s.eventually(n.name+" sends frames", func() bool { return len(framesSince(frames, cut).From(n.lan.MAC())) > 0 })
			if after := framesSince(frames, cut).From(n.lan.MAC())[0].At.Sub(cut); after > deadAfter {
				t.Errorf("%s sends its first frame %v after the cut", n.name, after)
			}
		}
		heal()
		s.eventually("they hear each other", func() bool { return s.hearsPeer(s.a) && s.hearsPeer(s.b) })
		s.eventually("one holds", func() bool { return s.holder() != nil })
		s.quiet(frames, 3*time.Second)
	}
}

// cutHeartbeats loses all datagrams between the nodes on both networks; ARP and the frames
// of the clients' network pass.
func (s *site) cutHeartbeats() (heal func()) {
	lan := s.lab.Switch("service").Drop(rig.Fault{Only: rig.UDP(port)})
	cable := s.lab.Switch("redundancy").Drop(rig.Fault{Only: rig.UDP(port)})
	return func() { lan(); cable() }
}

// hearsByFrame says whether the node hears the other one over the clients' network.
func (s *site) hearsByFrame(n *node) bool {
	return slices.ContainsFunc(n.status().Nodes[1].Paths, func(p control.PathStatus) bool {
		return strings.HasPrefix(p.Local, "lan:") && p.Up && p.Remote == s.other(n).lan.MAC().String()
	})
}

// Heartbeats are lost on all ordinary paths while the clients' network is whole: nothing
// moves, and one answers, for as long as that lasts.
func TestHeartbeatsCutOnOrdinaryPaths(t *testing.T) {
	t.Parallel()
	s := newSite(t, stays)
	s.startInOrder()
	epoch := s.a.held().Epoch
	cut := time.Now()
	heal := s.cutHeartbeats()
	for _, n := range []*node{s.a, s.b} {
		s.eventually(n.name+" hears the other in frames", func() bool { return s.hearsByFrame(n) })
	}
	for time.Since(cut) < 5*deadAfter {
		time.Sleep(50 * time.Millisecond)
		for _, n := range []*node{s.a, s.b} {
			if got := n.token(front); !slices.Equal(got.Holders, []string{"hist-a"}) || !s.hearsPeer(n) {
				t.Fatalf("%v after the cut %s says that %v hold", time.Since(cut), n.name, got.Holders)
			}
		}
	}
	heal()
	s.audit(s.a)
	for _, n := range []*node{s.a, s.b} {
		if got := n.token(front); got.Epoch != epoch || s.b.said("taking") != 0 || s.a.said("dropping") != 0 {
			t.Errorf("%s: epoch %d, want %d", n.name, got.Epoch, epoch)
		}
	}
	s.oneAnswered(s.began)
}

// bare has heartbeats on the cable alone; the hosts have no address of their own on the
// clients' network.
const bare = heartbeat + `[node.hist-a]
addresses = ["198.51.100.1"]
priority = 200
[node.hist-b]
addresses = ["198.51.100.2"]
priority = 100
[vip.front]
address = "192.0.2.10/24"
interface = "eth0"
`

// A host without an address on the clients' interface: when the cable with the heartbeats
// fails, nothing moves, for frames need no address; and a death is seen all the same.
func TestNoAddressOnTheClientsInterface(t *testing.T) {
	t.Parallel()
	s := newSite(t, bare)
	for _, n := range []*node{s.a, s.b} {
		link, err := n.host.Handle().LinkByName("eth0")
		if err != nil {
			t.Fatal(err)
		}
		own := &netlink.Addr{IPNet: &net.IPNet{IP: n.addrs[0].Addr().AsSlice(), Mask: net.CIDRMask(n.addrs[0].Bits(), 32)}}
		if err := n.host.Handle().AddrDel(link, own); err != nil {
			t.Fatal(err)
		}
	}
	s.startInOrder()
	cut := time.Now()
	heal := s.a.cable.Cut(s.b.cable)
	for _, n := range []*node{s.a, s.b} {
		s.eventually(n.name+" hears the other in frames", func() bool { return s.hearsByFrame(n) })
	}
	time.Sleep(time.Until(cut.Add(5 * deadAfter)))
	for _, n := range []*node{s.a, s.b} {
		if got := n.token(front); !slices.Equal(got.Holders, []string{"hist-a"}) || strings.Contains(n.alarms(), "no node of the cluster") {
			t.Errorf("%s says that %v hold; alarms: %s", n.name, got.Holders, n.alarms())
		}
	}
	if s.b.said("taking") != 0 || s.a.said("dropping") != 0 {
		t.Error("it moved")
	}
	heal()
	s.audit(s.a)
	s.oneAnswered(s.began)
	s.a.host.Destroy()
	s.answers(s.b)
}

// A flood of frames that do not open, at the clients' network, costs the daemons no more
// than one of datagrams, and moves nothing; also while heartbeats go in frames.
func TestFloodOfFrames(t *testing.T) {
	const (
		rate = 25_000 // frames a second
		long = time.Second
		most = 10 * time.Microsecond // of CPU for a frame, however busy the machine is
	)
	s := newSite(t, stays)
	e := s.stranger()
	s.startInOrder()
	epoch := s.a.held().Epoch
	flood := func(when, name string, datagram []byte) {
		began := time.Now()
		before, idle := s.a.cpu(), s.a.cpuIdle()
		ctx, end := context.WithTimeout(t.Context(), long)
		sent := e.lan.Send(ctx, rate, attack.Repeated(attack.InFrame(datagram, e.lan.MAC), 0))
		end()
		took := s.a.cpu() - before - time.Duration(float64(idle)*time.Since(began).Seconds())
		each := took / time.Duration(max(sent, 1))
		t.Logf("%-20s %6d frames %s in %v: %v of CPU each", name, sent, when, time.Since(began).Round(time.Millisecond), each)
		if each > most {
			t.Errorf("%s: %v of CPU for a frame, want at most %v", name, each, most)
		}
		s.oneAnswered(began)
	}
	for name, datagram := range s.forgeries() {
		flood("in peace", name, datagram)
	}
	heal := s.cutHeartbeats()
	for _, n := range []*node{s.a, s.b} {
		s.eventually(n.name+" hears the other in frames", func() bool { return s.hearsByFrame(n) })
	}
	for name, datagram := range s.forgeries() {
		flood("in trouble", name, datagram)
	}
	heal()
	for _, n := range []*node{s.a, s.b} {
		if now := n.token(front); now.Epoch != epoch || now.Holder != "hist-a" {
			t.Errorf("%s: %s holds it with epoch %d, want hist-a and %d", n.name, now.Holder, now.Epoch, epoch)
		}
	}
	s.audit(s.a)
}

// Recorded frames of earlier sessions, sent again and again, deny no failover and drive
// nobody off.
func TestReplayedFrames(t *testing.T) {
	t.Parallel()
	s := newSite(t, stays)
	e := s.stranger()
	frames := e.heartbeatFrames()
	s.startInOrder()
	cut := time.Now()
	heal := s.cutHeartbeats()
	for _, n := range []*node{s.a, s.b} {
		s.eventually(n.name+" sends frames", func() bool { return len(framesSince(frames, cut).From(n.lan.MAC())) > 20 })
	}
	heal()
	heard := framesSince(frames, cut)
	for _, n := range []*node{s.a, s.b} {
		n.proc.Kill()
	}
	for _, n := range []*node{s.a, s.b} {
		n.run()
	}
	s.eventually("they hear each other", func() bool { return s.hearsPeer(s.a) && s.hearsPeer(s.b) })
	s.eventually("one holds", func() bool { return s.holder() != nil })
	holder := s.holder()
	other := s.other(holder)
	stop := e.send(1000, [2]iter.Seq[[]byte]{heard.Around(0), attack.Recording{}.Around(0)})
	died := time.Now()
	holder.host.Destroy()
	s.eventually("the other took", func() bool { return other.token(front).Holder == other.name })
	if took, most := time.Since(died), 3*deadAfter; took > most {
		t.Errorf("taken after %v, which is more than %v", took, most)
	}
	s.answers(other)
	for end := time.Now().Add(3 * deadAfter); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if st := other.status(); st.Nodes[1].State == control.NodeUp || len(st.Tokens[0].Holders) != 1 {
			t.Fatalf("it sees %s %s, and holders %v", st.Nodes[1].Name, st.Nodes[1].State, st.Tokens[0].Holders)
		}
	}
	if other.said("dropping") != 0 {
		t.Error("it dropped the address")
	}
	t.Logf("%d frames of %d recorded ones were replayed", stop(), len(heard))
}

// Where the clients' network passes ARP but drops heartbeats, a cut of the ordinary paths
// is a cut of everything: both hold, and both say so, with the other's hardware address;
// after the heal one is left.
func TestNetworkThatDropsFrames(t *testing.T) {
	t.Parallel()
	s := newSite(t, stays)
	s.startInOrder()
	s.a.held()
	undrop := s.lab.Switch("service").Drop(rig.Fault{Only: rig.Ether(attack.HeartbeatEther)})
	heal := s.cutHeartbeats()
	s.eventually("the other took", func() bool { return slices.Contains(s.b.token(front).Holders, "hist-b") })
	s.eventually("hist-b says who answers, or who claims", func() bool {
		return strings.Contains(s.b.alarms(), "taken although "+s.a.lan.MAC().String()) || strings.Contains(s.b.alarms(), "claimed by "+s.a.lan.MAC().String())
	})
	s.eventually("hist-a says who claims", func() bool {
		return strings.Contains(s.a.alarms(), "192.0.2.10 is claimed by "+s.b.lan.MAC().String()+", a hardware address of hist-b, which is not heard")
	})
	if s.a.said("dropping") != 0 {
		t.Error("the holder was driven off")
	}
	heal()
	undrop()
	s.eventually("one holds", func() bool { return s.holder() != nil })
	s.audit(s.holder())
	s.answers(s.holder())
}
