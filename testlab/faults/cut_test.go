package faults

import (
	"strings"
	"testing"
	"time"
)

// lasting is the pair's configuration with Disable Inheritance: nobody takes on
// silence alone.
var lasting = strings.Replace(pair4, "[vip.front]", "[vip.front]\ndisable_inheritance = true", 1)

// bothAnswer waits until the witness hears two.
func (s *site) bothAnswer(since time.Time) {
	s.t.Helper()
	s.eventually("both answer, as designed", func() bool { return s.witness.Dual(since, time.Now()) > 50*time.Millisecond })
}

// healed checks what must be so after a total cut: one holder, whose announcement
// was the last, and no second one from the moment on when the first was alone.
func (s *site) healed(holder, other *node, since time.Time) {
	s.t.Helper()
	s.answers(holder)
	s.audit(holder)
	said := s.witness.Announcements(since, time.Now())
	if len(said) == 0 || said[len(said)-1].Owner != holder.name {
		s.t.Errorf("the last announcement is not %s's: %v", holder.name, said)
	}
	if other.said("dropping (conflict-lost)") != 1 {
		s.t.Errorf("%s does not say why it dropped", other.name)
	}
}

// A total cut with failback off: both hold, by design, and each knows
// of itself alone. After it the one who held goes on without a break.
func TestTotalCut(t *testing.T) {
	t.Parallel()
	s := newSite(t, stays)
	s.startInOrder()
	before := s.a.held()
	cut := time.Now()
	heal := s.cut()
	s.bothAnswer(cut)
	for _, n := range []*node{s.a, s.b} {
		if st := n.token(front); len(st.Holders) != 1 || st.Holder != n.name || st.Note != "" {
			t.Errorf("%s sees %v %q", n.name, st.Holders, st.Note)
		}
		if text := n.alarms(); !strings.Contains(text, "is not heard") {
			t.Errorf("%s: alarms: %s", n.name, text)
		}
	}
	mended := time.Now()
	heal()
	s.healed(s.a, s.b, mended)
	if after := s.a.held(); *after.SinceMS < *before.SinceMS+1000 {
		t.Errorf("held for %.0f ms, before the cut %.0f ms: the tenure was broken", *after.SinceMS, *before.SinceMS)
	}
	if s.a.said("dropping") != 0 {
		t.Error("the holder dropped")
	}
}

// A total cut that heals in one direction a second before the other, either way: one
// remains, who was the last to announce, and clients hardly notice.
func TestAsymmetricHeal(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"hist-a to hist-b", "hist-b to hist-a"} {
		t.Run(first+" first", func(t *testing.T) {
			t.Parallel()
			s := newSite(t, stays)
			s.startInOrder()
			cut := time.Now()
			heal, healRest := s.deafen(s.a, s.b), s.deafen(s.b, s.a)
			if first == "hist-b to hist-a" {
				heal, healRest = healRest, heal
			}
			s.bothAnswer(cut)
			mended := time.Now()
			heal()
			time.Sleep(time.Second)
			healRest()
			s.answersOne()
			s.eventually("two answer no more", func() bool { return s.witness.Dual(time.Now().Add(-time.Second), time.Now()) == 0 })
			holder := s.a
			if s.b.token(front).Holder == "hist-b" {
				holder = s.b
			}
			s.answers(holder)
			s.audit(holder)
			s.hardlyMissed(mended)
			said := s.witness.Announcements(mended, time.Now())
			if len(said) == 0 || said[len(said)-1].Owner != holder.name {
				t.Errorf("the last announcement is not %s's: %v", holder.name, said)
			}
		})
	}
}

// answersOne waits until both nodes name the same single holder.
func (s *site) answersOne() {
	s.t.Helper()
	s.eventually("both name one holder", func() bool {
		a, b := s.a.token(front).Holders, s.b.token(front).Holders
		return len(a) == 1 && len(b) == 1 && a[0] == b[0]
	})
}

// The holder is heard no more but hears: it loses its lease and drops before the
// other one takes; when all is well again, it gets it back. Two never answer.
func TestOneWayDrop(t *testing.T) {
	t.Parallel()
	s := newSite(t, pair4)
	s.start()
	heal := s.deafen(s.a, s.b)
	s.answers(s.b)
	if s.a.said("dropping (lease-expired)") != 1 {
		t.Error("the holder does not say why it dropped")
	}
	heal()
	s.answers(s.a)
	s.audit(s.a)
	s.oneAnswered(s.began)
}

// The other way round: the standby is heard no more, and nothing moves that need not.
func TestStandbyIsHeardNoMore(t *testing.T) {
	t.Parallel()
	s := newSite(t, pair4)
	s.start()
	heal := s.deafen(s.b, s.a)
	time.Sleep(time.Second)
	heal()
	s.answers(s.a)
	s.audit(s.a)
	s.oneAnswered(s.began)
}

// One network of two is cut: nothing moves, and status names the path.
func TestOneNetworkCut(t *testing.T) {
	t.Parallel()
	s := newSite(t, pair4)
	s.start()
	from := time.Now()
	heal := s.a.cable.Cut(s.b.cable)
	s.eventually("the path is down", func() bool { return !s.a.status().Nodes[1].Paths[1].Up })
	if p := s.a.status().Nodes[1].Paths[0]; !p.Up {
		t.Errorf("the other path is %+v", p)
	}
	heal()
	s.eventually("the path is up", func() bool { return s.a.status().Nodes[1].Paths[1].Up })
	s.audit(s.a)
	s.silent(s.b, from)
}

// With Disable Inheritance nobody takes on silence: the holder goes on through a
// total cut, and a holder without power leaves nobody.
func TestDisableInheritance(t *testing.T) {
	t.Parallel()
	s := newSite(t, lasting)
	s.start()
	from := time.Now()
	heal := s.cut()
	s.eventually("the cut is seen", func() bool { return strings.Contains(s.b.alarms(), "hist-a is not heard") })
	time.Sleep(time.Second)
	if note := s.b.token(front); note.Holder != "" || !strings.Contains(note.Note, "silent") {
		t.Errorf("hist-b says %q, %q", note.Holder, note.Note)
	}
	heal()
	s.answers(s.a)
	s.audit(s.a)
	if r := s.probe.Report(from, time.Now()); len(r.Datagrams.Who) != 1 || s.a.said("dropping") != 0 {
		t.Errorf("answered by %v", r.Datagrams.Who)
	}
	s.a.host.Destroy()
	gone := time.Now()
	time.Sleep(time.Second)
	s.silent(s.b, gone)
	s.oneAnswered(s.began)
}

// The recorded holder's daemon, killed and started again within the same boot, goes on;
// meanwhile nobody else takes.
func TestDisableInheritanceKilledHolderGoesOn(t *testing.T) {
	t.Parallel()
	s := newSite(t, lasting)
	s.start()
	killed := time.Now()
	s.a.proc.Kill()
	s.a.silenced()
	s.eventually("the kill is seen", func() bool { return strings.Contains(s.b.alarms(), "hist-a is not heard") })
	time.Sleep(time.Second)
	s.silent(s.b, killed)
	s.a.run()
	s.answers(s.a)
	s.audit(s.a)
	s.oneAnswered(s.began)
}
