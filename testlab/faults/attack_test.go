package faults

import (
	"context"
	"fmt"
	"iter"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"vipd/testlab/attack"
	"vipd/testlab/rig"
	"vipd/vipd/control"
)

// port is where the nodes speak with each other.
const port = 7000

// stranger is a host on both networks that has no key.
type stranger struct {
	site  *site
	host  *rig.Host
	lan   *attack.Card
	cable *attack.Card
}

// stranger plugs one in; it sees what the nodes send to all.
func (s *site) stranger() *stranger {
	s.t.Helper()
	e := &stranger{site: s, host: s.lab.Host("stranger")}
	e.host.Plug(s.lab.Switch("service"), "eth0", netip.MustParsePrefix("192.0.2.66/24"))
	e.host.Plug(s.lab.Switch("redundancy"), "eth1", netip.MustParsePrefix("198.51.100.66/24"))
	err := e.host.Do(func() (err error) {
		if e.lan, err = attack.Open("eth0"); err == nil {
			e.cable, err = attack.Open("eth1")
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { e.lan.Close(); e.cable.Close() })
	return e
}

// cards are both.
func (e *stranger) cards() []*attack.Card { return []*attack.Card{e.lan, e.cable} }

// record is what the nodes say within a while, on each network.
func (e *stranger) record(while time.Duration) (heard [2]attack.Recording) {
	e.site.t.Helper()
	var recorders [2]*attack.Recorder
	err := e.host.Do(func() (err error) {
		for i, card := range e.cards() {
			if recorders[i], err = card.Record(port); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		e.site.t.Fatal(err)
	}
	time.Sleep(while)
	for i, r := range recorders {
		if heard[i] = r.Stop(); len(heard[i]) == 0 {
			e.site.t.Fatalf("heard nothing on network %d", i)
		}
	}
	return heard
}

// send sends on both networks until stopped, and then says how many frames it were.
func (e *stranger) send(perSecond int, frames [2]iter.Seq[[]byte]) (stop func() (sent int)) {
	ctx, end := context.WithCancel(e.site.t.Context())
	var run sync.WaitGroup
	var sent [2]int
	for i, card := range e.cards() {
		run.Go(func() { sent[i] = card.Send(ctx, perSecond, frames[i]) })
	}
	return sync.OnceValue(func() int {
		end()
		run.Wait()
		return sent[0] + sent[1]
	})
}

// recordBoth records both nodes' sessions of now, and ends these: both daemons are killed
// and started again together, so that neither has heard the other's former session.
func (e *stranger) recordBoth(while time.Duration) [2]attack.Recording {
	e.site.t.Helper()
	s, heard := e.site, e.record(while)
	for _, n := range []*node{s.a, s.b} {
		n.proc.Kill()
	}
	for _, n := range []*node{s.a, s.b} {
		n.run()
	}
	s.eventually("they hear each other", func() bool { return s.hearsPeer(s.a) && s.hearsPeer(s.b) })
	s.eventually("one holds", func() bool { return s.holder() != nil })
	return heard
}

// hearsPeer says whether the node calls the other one up.
func (s *site) hearsPeer(n *node) bool {
	st, err := n.control().Status(s.t.Context())
	return err == nil && len(st.Nodes) == 2 && st.Nodes[1].State == control.NodeUp
}

// holder is the node that both, or the one whose daemon runs, call the only holder.
func (s *site) holder() *node {
	var of *node
	for _, n := range []*node{s.a, s.b} {
		st, err := n.control().Status(s.t.Context())
		if err != nil || len(st.Tokens) != 1 || len(st.Tokens[0].Holders) != 1 {
			return nil
		}
		its := s.a
		if st.Tokens[0].Holders[0] == s.b.name {
			its = s.b
		}
		if of != nil && of != its {
			return nil
		}
		of = its
	}
	return of
}

// other is the node that this one is not.
func (s *site) other(n *node) *node {
	if n == s.a {
		return s.b
	}
	return s.a
}

// around are the recordings of both networks, again and again.
func around(heard [2]attack.Recording) (frames [2]iter.Seq[[]byte]) {
	return [2]iter.Seq[[]byte]{heard[0].Around(0), heard[1].Around(0)}
}

// deadAfter is the dead time as configured.
const deadAfter = 5 * beatEvery

// A recording of both nodes denies no failover: both were restarted since, the holder's
// host dies, and the recording is sent again and again. The other one takes as if
// nothing was sent, sees nobody up, and keeps the address.
//
// Slowly, so that each datagram might count as news of the dead; and fast.
func TestReplayedRecording(t *testing.T) {
	t.Parallel()
	for _, perSecond := range []int{10, 1000} {
		t.Run(fmt.Sprintf("%d a second", perSecond), func(t *testing.T) {
			t.Parallel()
			replayRecording(t, perSecond)
		})
	}
}

func replayRecording(t *testing.T, perSecond int) {
	s := newSite(t, stays)
	e := s.stranger()
	s.startInOrder()
	heard := e.recordBoth(3 * time.Second)
	holder := s.holder()
	other := s.other(holder)
	stop := e.send(perSecond, around(heard))
	died := time.Now()
	holder.host.Destroy()
	s.eventually("the other took", func() bool { return other.token(front).Holder == other.name })
	took := time.Since(died)
	if most := 3 * deadAfter; took > most {
		t.Errorf("taken after %v, which is more than %v", took, most)
	}
	s.answers(other)
	since := time.Now()
	for end := since.Add(3 * deadAfter); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if st := other.status(); st.Nodes[1].State == control.NodeUp || len(st.Tokens[0].Holders) != 1 {
			t.Fatalf("it sees %s %s, and holders %v", st.Nodes[1].Name, st.Nodes[1].State, st.Tokens[0].Holders)
		}
	}
	t.Logf("taken after %v; %d frames were replayed", took, stop())
	if r := s.probe.Report(since, time.Now()); len(r.Datagrams.Who) != 1 || r.Datagrams.Who[0] != other.name {
		t.Errorf("answered by %v", r.Datagrams.Who)
	}
	if other.said("dropping") != 0 {
		t.Error("it dropped the address")
	}
}

// A few recorded datagrams during a silence longer than a dead time split no pair: after
// the silence both hear each other, and one holds.
func TestReplayDuringASilence(t *testing.T) {
	t.Parallel()
	s := newSite(t, stays)
	e := s.stranger()
	s.startInOrder()
	heard := e.recordBoth(3 * time.Second)
	cut := time.Now()
	heal := s.cut()
	s.bothAnswer(cut)
	for i, card := range e.cards() {
		for _, n := range []*node{s.a, s.b} {
			of := heard[i].From([]net.HardwareAddr{n.lan.MAC(), n.cable.MAC()}[i])
			card.Send(t.Context(), 100, of[:min(3, len(of))].Frames())
		}
	}
	time.Sleep(deadAfter)
	heal()
	s.eventually("they hear each other", func() bool { return s.hearsPeer(s.a) && s.hearsPeer(s.b) })
	s.eventually("one holds", func() bool { return s.holder() != nil })
	s.audit(s.holder())
	s.answers(s.holder())
}

// Forged datagrams of all kinds, and junk, move nothing: a pair in peace, and one of
// which the holder has just died.
func TestForgedDatagrams(t *testing.T) {
	t.Parallel()
	s := newSite(t, stays)
	e := s.stranger()
	s.startInOrder()
	heard := e.record(time.Second)
	began := time.Now()
	taken, dropped := s.b.said("taking"), s.a.said("dropping")
	stop := e.send(2000, [2]iter.Seq[[]byte]{heard[0].Forged(1), heard[1].Forged(2)})
	time.Sleep(4 * deadAfter)
	if s.b.said("taking") != taken || s.a.said("dropping") != dropped {
		t.Error("something moved")
	}
	s.audit(s.a)
	s.silent(s.b, began)
	refused := 0
	for _, count := range s.b.status().Dropped {
		refused += int(count)
	}
	if refused == 0 {
		t.Error("nothing was refused")
	}
	died := time.Now()
	s.a.host.Destroy()
	s.eventually("the other took", func() bool { return s.b.token(front).Holder == "hist-b" })
	if took, most := time.Since(died), 3*deadAfter; took > most {
		t.Errorf("taken after %v, which is more than %v", took, most)
	}
	s.answers(s.b)
	t.Logf("%d frames were forged, %d datagrams refused", stop(), refused)
	s.oneAnswered(s.began)
}
