package token

import (
	"testing"
	"time"
)

// beside is a machine that hears an idle peer whose claims are as given.
func beside(t *testing.T, s Spec, claim func(*Claim)) (m *Machine, word func(now time.Duration) []Action) {
	t.Helper()
	m = New(config(s), at(0))
	m.Step(at(0), EpochsReserved{HighWater: 1000, OK: true})
	word = func(now time.Duration) []Action {
		w := idle(m, at(now))
		claim(&w.Claims[0])
		return m.Step(at(now), w)
	}
	return m, word
}

// Two files give the nodes opposite priorities: each node's own word of itself counts, so
// that one of them takes.
func TestPrioritiesThatDiffer(t *testing.T) {
	for _, c := range []struct {
		theirs int // what the peer says of itself; this node's own is 200
		takes  bool
	}{{300, false}, {100, true}, {200, true}} {
		m, word := beside(t, spec("vip:front", 0), func(c2 *Claim) { c2.Priority = c.theirs })
		for i := range 3 {
			word(time.Duration(i+1) * ms)
		}
		if taken := m.Phase(0) == Taking; taken != c.takes {
			t.Errorf("the peer says %d of itself: taken %v", c.theirs, taken)
		}
	}
}

// Disable Inheritance in the peer's file alone forbids taking on its silence.
func TestPeerThatDisablesInheritance(t *testing.T) {
	for _, theirs := range []Bits{0, DisableInheritance} {
		m, word := beside(t, spec("vip:front", 0), func(c *Claim) {
			c.Bits, c.Phase, c.Epoch, c.Seen = theirs, Holding, 1<<8|2, 1<<8|2
		})
		word(1 * ms)
		for now := at(2 * ms); now < at(3*time.Second); now = max(now+1, m.Deadline()) {
			m.Step(now, Tick{})
		}
		if took := m.Phase(0) != Idle; took != (theirs == 0) {
			t.Errorf("the peer applies %b: taken on silence %v", theirs, took)
		}
	}
}

// Switched on while the token is held, Disable Inheritance is promised on disk before it is
// said. The lease stays bound to a peer until it has promised too, knowing that we count on
// it; only then does the disk say that nobody else takes what we hold. Switched off, we say
// so when the disk has it.
func TestDisableInheritanceByReload(t *testing.T) {
	m := holder(t, spec("vip:front", 0))
	stored := func(now time.Duration, ev Event) (r Record) {
		t.Helper()
		list := find[PersistRecord](m.Step(at(now), ev))
		if len(list) != 1 {
			t.Fatalf("at %v stored %+v", now, list)
		}
		return list[0].Record
	}
	if r := stored(2*ms, Reconfigure{Tokens: []Spec{spec("vip:front", DisableInheritance)}}); !r.Promised || r.Holder {
		t.Errorf("stored %+v", r)
	}
	if m.claim(&m.tokens[0]).Promises {
		t.Error("promised before the disk has it")
	}
	m.Step(at(3*ms), RecordPersisted{Token: 0, OK: true})
	if !m.claim(&m.tokens[0]).Promises {
		t.Error("not promised")
	}
	old := idle(m, at(4*ms))
	old.AckedRevision = 0 // it promised something else, before it knew that we count on it
	if m.Step(at(4*ms), old); m.limitOf(0) != at(124*ms) {
		t.Errorf("beside a peer that may inherit the lease lasts until %v", m.limitOf(0).Sub(at(0)))
	}
	if r := stored(5*ms, idle(m, at(5*ms))); !r.Holder || r.Epoch != m.tokens[0].epoch || !r.Relied.Has(2) {
		t.Errorf("stored %+v", r)
	}
	m.Step(at(5*ms), RecordPersisted{Token: 0, OK: true})
	if m.limitOf(0).Sub(at(0)) < time.Hour {
		t.Errorf("beside a peer that has promised the lease lasts until %v", m.limitOf(0).Sub(at(0)))
	}
	again := idle(m, at(6*ms))
	again.NewSession, again.Claims[0].Promises = true, false
	if m.Step(at(6*ms), again); m.limitOf(0).Sub(at(0)) > time.Second {
		t.Errorf("beside a peer that lost its promise the lease lasts until %v", m.limitOf(0).Sub(at(0)))
	}
	m.Step(at(6*ms), RecordPersisted{Token: 0, OK: true})
	m.Step(at(7*ms), idle(m, at(7*ms)))
	m.Step(at(7*ms), RecordPersisted{Token: 0, OK: true})
	if r := stored(8*ms, Reconfigure{Tokens: []Spec{spec("vip:front", 0)}}); r.relies() || !r.Promised {
		t.Errorf("switched off it stored %+v", r)
	}
	if m.claim(&m.tokens[0]).Bits == 0 {
		t.Error("said to be off before the disk has it")
	}
	if m.Step(at(9*ms), RecordPersisted{Token: 0, OK: true}); m.claim(&m.tokens[0]).Bits != 0 {
		t.Error("not said to be off")
	}
	gone := idle(m, at(10*ms))
	gone.Claims[0].Bits = 0
	if r := stored(10*ms, gone); r.Promised {
		t.Error("kept to a promise that nobody counts on")
	}
}

// A promise outlives the daemon and the file: a node that starts again with a file that
// allows inheritance, and hears nobody, does not take. A peer's report that it does not apply
// the bit any more frees it.
func TestPromiseOutlivesAStart(t *testing.T) {
	for _, promised := range []bool{true, false} {
		m := New(config(spec("vip:front", 0)), at(0))
		m.Step(at(0), EpochsReserved{HighWater: 1000, OK: true})
		m.Step(at(0), RestoreRecord{Token: 0, Record: Record{Epoch: 1 << 8, Promised: promised}})
		m.Step(at(0), NetworkForwarding{})
		for now := at(1 * ms); now < at(3*time.Second); now = max(now+1, m.Deadline()) {
			m.Step(now, Tick{})
		}
		if taken := m.Phase(0) != Idle; taken == promised {
			t.Errorf("promised %v, taken on silence %v", promised, taken)
		}
		if !promised {
			continue
		}
		for i := range 5 {
			now := at(3*time.Second + time.Duration(i)*ms)
			m.Step(now, idle(m, now))
			m.Step(now, RecordPersisted{Token: 0, OK: true})
		}
		if m.Phase(0) == Idle {
			t.Error("the promise was not taken back when the peer said that it does not count on it")
		}
	}
}

// The last word of a dead peer that left the file, and held nothing, forbids no take for
// ever; that of a holder does.
func TestPeerThatLeftTheFile(t *testing.T) {
	alone := Spec{Name: "vip:front", ID: ID("vip:front"), Members: []Member{{Slot: 1, Priority: 200}}}
	for _, held := range []bool{false, true} {
		m, word := beside(t, spec("vip:front", DisableInheritance), func(c *Claim) {
			if held {
				c.Phase, c.Epoch, c.Seen = Holding, 1<<8|2, 1<<8|2
			}
		})
		word(1 * ms)
		m.Step(at(1*ms), RecordPersisted{Token: 0, OK: true})
		word(2 * ms)
		for now := at(time.Second); now < at(2*time.Second); now = max(now+1, m.Deadline()) {
			m.Step(now, Tick{})
		}
		m.Step(at(2*time.Second), Reconfigure{Tokens: []Spec{alone}})
		m.Step(at(2*time.Second), RecordPersisted{Token: 0, OK: true})
		m.Step(at(2*time.Second), RecordPersisted{Token: 0, OK: true})
		if promised := m.tokens[0].durable(); promised != held {
			t.Errorf("the peer held %v: taken on no silence %v", held, promised)
		}
	}
}

// A token that left the file goes on being bound by the peer's echoes while it goes down.
func TestGoneTokenIsBound(t *testing.T) {
	s := spec("group:db", 0)
	s.StopBeforeRelease = true
	m := holder(t, s)
	m.Step(at(2*ms), Reconfigure{})
	if m.Step(at(3*ms), Tick{}); m.Phase(0) != Dropping || m.limitOf(0) != at(121*ms) {
		t.Errorf("%v, with a lease until %v", m.Phase(0), m.limitOf(0).Sub(at(0)))
	}
}

// A lease that ran out while this node did not look is not revived by the peer's silence.
func TestLeaseThatRanOutUnseen(t *testing.T) {
	m := holder(t, spec("vip:front", 0))
	late := m.limitOf(0).Add(2 * ms)
	for _, l := range find[Lease](m.Step(late, Tick{})) {
		if l.Limit > late {
			t.Errorf("at %v it was granted until %v", late.Sub(at(0)), l.Limit.Sub(at(0)))
		}
	}
	if m.tokens[0].lease.state != expired {
		t.Error("it did not lapse")
	}
}

// A peer's number that can't be true moves nothing, and is told once.
func TestEpochOutOfReach(t *testing.T) {
	for _, c := range []struct {
		name   string
		clock  ClockFloor
		seen   uint64
		refuse bool
	}{
		{"all ones", ClockFloor{}, 1<<64 - 1, true},
		{"the last counter", ClockFloor{}, maxCounter << 8, true},
		{"a century, without a clock", ClockFloor{}, 100 * farAhead << 8, false},
		{"a century, with one", ClockFloor{Floor: 5000, Trusted: true}, 100 * farAhead << 8, true},
		{"a month, with one", ClockFloor{Floor: 5000, Trusted: true}, farAhead / 12 << 8, false},
	} {
		m, word := beside(t, spec("vip:front", 0), func(claim *Claim) { claim.Seen = c.seen })
		m.Step(at(0), c.clock)
		told := len(find[EpochRefused](word(1*ms))) + len(find[EpochRefused](word(2*ms)))
		if refused := m.tokens[0].seen != c.seen; refused != c.refuse || told == 1 != c.refuse {
			t.Errorf("%s: refused %v, told %d times", c.name, refused, told)
		}
	}
}

// A grant is above what any node can have granted before: by the clock where it is
// trusted, by what was seen and reserved in any case.
func TestEpochFollowsTheClock(t *testing.T) {
	c := config(spec("vip:front", 0))
	c.HighWater, c.Timed, c.Clock = 9000, true, ClockFloor{Floor: 8000, Trusted: true}
	m := New(c, at(0))
	m.Step(at(0), EpochsReserved{HighWater: 20000, Timed: true, OK: true})
	m.Step(at(time.Second), idle(m, at(time.Second)))
	m.Step(at(time.Second+ms), idle(m, at(time.Second+ms)))
	m.Step(at(time.Second+2*ms), idle(m, at(time.Second+2*ms)))
	if got := Counter(m.tokens[0].epoch); got != 8009 {
		t.Errorf("granted %d a second after 8000, with one more second for what ran ahead", got)
	}
}

// The disk keeps what it is asked last, so no request is below an earlier one, however the
// clock's trust comes and goes while requests are under way.
func TestReservationsGrow(t *testing.T) {
	m := New(config(spec("vip:front", 0)), at(0))
	asked := uint64(0)
	for i, ev := range []Event{Tick{}, ClockFloor{Floor: 8000, Trusted: true}, ClockFloor{}, ClockFloor{Floor: 8001, Trusted: true},
		EpochsReserved{HighWater: reserveAhead, OK: true}, ClockFloor{}} {
		for _, r := range find[ReserveEpochs](m.Step(at(time.Duration(i)*ms), ev)) {
			if r.HighWater < asked {
				t.Errorf("after %T: asked for %d after %d", ev, r.HighWater, asked)
			}
			asked = r.HighWater
		}
	}
	if asked < 8000+timedAhead/2 {
		t.Errorf("asked for %d at most", asked)
	}
}

// What an earlier run of this boot granted is told at the start, though the disk lost it
// and the clock may be behind it.
func TestEpochOfAnEarlierRun(t *testing.T) {
	c := config(spec("vip:front", 0))
	c.Clock = ClockFloor{Floor: 8000, Trusted: true}
	m := New(c, at(0))
	m.Step(at(0), RestoreRecord{Seen: 8020<<8 | 1})
	m.Step(at(0), EpochsReserved{HighWater: 20000, Timed: true, OK: true})
	for d := range time.Duration(3) {
		m.Step(at(time.Second+d*ms), idle(m, at(time.Second+d*ms)))
	}
	if got := Counter(m.tokens[0].epoch); got != 8021 {
		t.Errorf("granted %d after 8020", got)
	}
}

// An offer that was declined says nothing of one with the same number in the giver's next
// session.
func TestDeclineEndsWithTheSession(t *testing.T) {
	number := uint64(7)
	m, word := beside(t, spec("vip:front", 0), func(c *Claim) {
		c.Phase, c.Epoch, c.Seen, c.Verb, c.To, c.About, c.Priority = Holding, 1<<8|2, 1<<8|2, Offer, 1, number, 300
	})
	m.Step(at(0), NodeEligibility{Reasons: Suspend})
	word(1 * ms)
	if c := m.Claims(at(1*ms), nil)[0]; c.Verb != Decline {
		t.Fatalf("says %v", c.Verb)
	}
	m.Step(at(2*ms), NodeEligibility{})
	if word(3 * ms); m.Claims(at(3*ms), nil)[0].Verb != Decline {
		t.Error("a decline is not for good")
	}
	again := idle(m, at(4*ms))
	again.NewSession = true
	again.Claims[0] = Claim{Phase: Holding, Epoch: 1<<8 | 2, Seen: 1<<8 | 2, Verb: Offer, To: 1, About: number, Priority: 300}
	m.Step(at(4*ms), again)
	if c := m.Claims(at(4*ms), nil)[0]; c.Verb != Accept {
		t.Errorf("to the first offer of a new session it says %v", c.Verb)
	}
}

// However long a restart was to last, an adopted lease stands for no more than L.
func TestAdoptedLeaseIsShort(t *testing.T) {
	m := New(config(spec("vip:front", 0)), at(0))
	m.Step(at(0), EpochsReserved{HighWater: 1000, OK: true})
	for _, l := range find[Lease](m.Step(at(0), Adopt{Token: 0, Epoch: 5<<8 | 1, Expiry: at(2 * time.Second)})) {
		if l.Limit > at(120*ms) {
			t.Errorf("adopted until %v", l.Limit.Sub(at(0)))
		}
	}
}

// A peer that was silent for a while, and says nothing new, counts as eligible from its return.
func TestFitnessOutlivesASilence(t *testing.T) {
	m := holder(t, spec("vip:front", 0))
	back := idle(m, at(time.Second))
	back.Changed, back.Claims, back.Silence = false, nil, 999*ms
	if m.Step(at(time.Second), back); m.tokens[0].claims[0].eligibleSince != at(time.Second) {
		t.Errorf("fit since %v", m.tokens[0].claims[0].eligibleSince.Sub(at(0)))
	}
}
