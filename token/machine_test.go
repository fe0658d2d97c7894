package token

import (
	"slices"
	"testing"
	"time"

	"vipd/heartbeat/clock"
)

const ms = time.Millisecond

func at(d time.Duration) clock.Instant { return clock.Instant(time.Hour + d) }

func spec(name string, bits Bits) Spec {
	return Spec{Name: name, ID: ID(name), Bits: bits, Members: []Member{{Slot: 1, Priority: 200}, {Slot: 2, Priority: 100, Place: 1}}}
}

func config(specs ...Spec) Config {
	return Config{Self: 1, Interval: 50 * ms, Dead: 150 * ms, Lease: 120 * ms, StartWait: time.Second, Tokens: specs}
}

// find returns the actions of the type.
func find[T Action](list []Action) (found []T) {
	for _, a := range list {
		if x, is := a.(T); is {
			found = append(found, x)
		}
	}
	return found
}

// idle is a message of the peer that holds nothing and knows all that we say.
func idle(m *Machine, now clock.Instant) Report {
	w := Report{Peer: 2, Dead: 150 * ms, Echoed: now, Fresh: true, Unsolicited: true, AckedRevision: m.Revision(), Changed: true, Complete: true}
	for i := range m.Tokens() {
		w.Claims = append(w.Claims, same(m, i))
	}
	return w
}

// same is the claim of a peer that holds nothing, and has the configuration that we have.
func same(m *Machine, i int) Claim {
	c := Claim{Bits: m.Spec(i).Bits & (AllowMultiple | DisableInheritance), Promises: m.Spec(i).Bits&DisableInheritance != 0}
	if them := m.Spec(i).member(2); them != nil {
		c.Priority = them.Priority
	}
	return c
}

// holder returns a machine that holds its first token beside an idle peer.
func holder(t *testing.T, specs ...Spec) *Machine {
	t.Helper()
	m := New(config(specs...), at(0))
	m.Step(at(0), EpochsReserved{HighWater: 1000, OK: true})
	m.Step(at(0), idle(m, at(0)))
	for range 2 { // the second one knows that we are eligible
		m.Step(at(1*ms), idle(m, at(1*ms)))
	}
	m.Step(at(1*ms), Up{Token: 0, Epoch: m.tokens[0].epoch})
	if m.Phase(0) != Holding {
		t.Fatalf("%v: %v", m.Phase(0), m.Status(at(1*ms), 0).Reasons.Words())
	}
	return m
}

// Counters are reserved before any is granted, and again while half are left.
func TestEpochs(t *testing.T) {
	m := New(config(spec("vip:front", 0)), at(0))
	if asked := find[ReserveEpochs](m.Step(at(0), Tick{})); len(asked) != 1 || asked[0].HighWater != reserveAhead {
		t.Fatalf("asked for %v", asked)
	}
	if again := find[ReserveEpochs](m.Step(at(1*ms), Tick{})); len(again) != 0 {
		t.Errorf("asked twice: %v", again)
	}
	if r := m.Status(at(1*ms), 0).Reasons; r&NoEpoch == 0 {
		t.Errorf("fit without an epoch: %v", r.Words())
	}
	m.Step(at(2*ms), EpochsReserved{HighWater: reserveAhead})
	if early := find[ReserveEpochs](m.Step(at(999*ms), Tick{})); len(early) != 0 {
		t.Error("asked again within a second of a failure")
	}
	if late := find[ReserveEpochs](m.Step(at(1002*ms), Tick{})); len(late) != 1 {
		t.Error("not asked again a second after a failure")
	}
	m.Step(at(1003*ms), EpochsReserved{HighWater: reserveAhead, OK: true})
	if r := m.Status(at(1003*ms), 0).Reasons; r&NoEpoch != 0 {
		t.Errorf("unfit with epochs left: %v", r.Words())
	}
	w := idle(m, at(1004*ms))
	w.Claims[0].Seen = 600<<8 | 2
	if more := find[ReserveEpochs](m.Step(at(1004*ms), w)); len(more) != 1 || more[0].HighWater != 1600 {
		t.Errorf("asked for %v when counters ran low", more)
	}
	w.Claims[0].Seen = 1000<<8 | 2
	m.Step(at(1005*ms), w)
	if r := m.Status(at(1005*ms), 0).Reasons; r&NoEpoch == 0 {
		t.Error("fit beyond the reserve")
	}
}

// What an earlier run may have granted counts as seen.
func TestEpochsGrowAcrossRuns(t *testing.T) {
	c := config(spec("vip:front", 0))
	c.HighWater = 1000
	m := New(c, at(0))
	m.Step(at(0), EpochsReserved{HighWater: 2000, OK: true})
	m.Step(at(0), idle(m, at(0)))
	took := append(find[Acquire](m.Step(at(1*ms), idle(m, at(1*ms)))), find[Acquire](m.Step(at(2*ms), idle(m, at(2*ms))))...)
	if len(took) != 1 || took[0].Epoch != 1001<<8|1 {
		t.Errorf("took %+v", took)
	}
}

// A token keeps its number; a number that has become free is used again.
func TestReconfigure(t *testing.T) {
	front, side, third := spec("vip:front", 0), spec("vip:side", 0), spec("vip:third", 0)
	m := holder(t, front, side)
	list := m.Step(at(2*ms), Reconfigure{Tokens: []Spec{side, third}})
	if dropped := find[Drop](list); len(dropped) != 1 || dropped[0].Token != 0 || dropped[0].Cause != Reconfigured {
		t.Errorf("dropped %v", dropped)
	}
	if m.Spec(1).Name != side.Name || m.Spec(2).Name != third.Name || m.Tokens() != 3 {
		t.Errorf("numbers moved: %v %v", m.Spec(1), m.Spec(2))
	}
	m.Step(at(3*ms), Down{Token: 0})
	m.Step(at(4*ms), Reconfigure{Tokens: []Spec{side, third, spec("vip:fourth", 0)}})
	if m.Spec(0).Name != "vip:fourth" || m.Tokens() != 3 {
		t.Errorf("the free number was not used: %v of %d", m.Spec(0), m.Tokens())
	}
}

func TestReleaseRequested(t *testing.T) {
	m := holder(t, spec("vip:front", 0))
	if dropped := find[Drop](m.Step(at(2*ms), SetBits{Token: 0, Bits: ReleaseRequested})); len(dropped) != 1 || dropped[0].Cause != Operator {
		t.Errorf("dropped %v", dropped)
	}
	m.Step(at(3*ms), Down{Token: 0})
	m.Step(at(4*ms), idle(m, at(4*ms)))
	if took := find[Acquire](m.Step(at(5*ms), idle(m, at(5*ms)))); len(took) != 0 || m.Status(at(5*ms), 0).Reasons != Released {
		t.Errorf("took %v", took)
	}
}

// Hands that fail are tried after 1, 2, 4, … at most 30 seconds.
func TestHandsFailed(t *testing.T) {
	c := config(spec("vip:front", AllowMultiple))
	m := New(c, at(0))
	m.Step(at(0), EpochsReserved{HighWater: 1000, OK: true})
	m.Step(at(0), idle(m, at(0)))
	now := at(1 * ms)
	for _, wait := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
		if m.Step(now, Tick{}); m.Phase(0) != Taking {
			t.Fatalf("before a wait of %d s: %v (%v)", wait, m.Phase(0), m.Status(now, 0).Reasons.Words())
		}
		m.Step(now, Failed{Token: 0, Epoch: m.tokens[0].epoch})
		m.Step(now, Down{Token: 0})
		now = now.Add(wait * time.Second)
		if took := find[Acquire](m.Step(now-1, Tick{})); len(took) != 0 {
			t.Errorf("took before %d s were over", wait)
		}
	}
}

// An acceptance that proves nothing moves nothing.
func TestUnprovenAcceptance(t *testing.T) {
	m := holder(t, spec("vip:front", 0))
	m.Step(at(2*ms), Move{Token: 0, To: 2})
	offer := m.Claims(at(2*ms), nil)[0]
	w := idle(m, at(3*ms))
	w.Claims[0] = Claim{Verb: Accept, To: 1, About: offer.About}
	w.Echoed = 0
	if dropped := find[Drop](m.Step(at(3*ms), w)); len(dropped) != 0 || offer.Verb != Offer {
		t.Errorf("offer %+v, dropped %v", offer, dropped)
	}
	w.Echoed = at(3 * ms)
	if dropped := find[Drop](m.Step(at(4*ms), w)); len(dropped) != 1 || dropped[0].Cause != Operator {
		t.Errorf("proven: dropped %v", dropped)
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name string
		to   uint8
		prep func(m *Machine)
		want Refusal
	}{
		{"unknown node", 9, func(*Machine) {}, NoSuchNode},
		{"under way", 2, func(m *Machine) { m.Step(at(2*ms), Move{Token: 0, To: 2}) }, UnderWay},
		{"not held", 2, func(m *Machine) { m.Step(at(2*ms), NodeEligibility{Reasons: Suspend}) }, NotHeld},
		{"not fit", 2, func(m *Machine) {
			w := idle(m, at(2*ms))
			w.Claims[0].Reasons = Suspend
			m.Step(at(2*ms), w)
		}, NotFit},
	} {
		m := holder(t, spec("vip:front", 0))
		c.prep(m)
		got := find[Refused](m.Step(at(3*ms), Move{Token: 0, To: c.to}))
		if len(got) != 1 || got[0].Why != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// What may live on where its lease has ended is taken on silence so much later.
func TestLinger(t *testing.T) {
	for _, linger := range []time.Duration{0, 300 * ms} {
		s := spec("group:historian", 0)
		s.Linger = linger
		m := New(config(s), at(0))
		m.Step(at(0), EpochsReserved{HighWater: 1000, OK: true})
		for now := range 3 {
			w := idle(m, at(time.Duration(now)*ms))
			w.Claims[0] = Claim{Phase: Holding, Epoch: 1<<8 | 2, Seen: 1<<8 | 2}
			m.Step(at(time.Duration(now)*ms), w)
		}
		due := 2*ms + 150*ms + linger // after the last word
		if early := find[Acquire](m.Step(at(due-ms), Tick{})); len(early) != 0 {
			t.Errorf("linger %v: taken early", linger)
		}
		if late := find[Acquire](m.Step(at(due), Tick{})); len(late) != 1 || late[0].Cause != PeerSilent {
			t.Errorf("linger %v: %v", linger, late)
		}
	}
}

// A resource that goes down in order keeps its lease until it is down; another loses
// it first.
func TestOrderly(t *testing.T) {
	for _, orderly := range []bool{false, true} {
		s := spec("group:historian", 0)
		s.StopBeforeRelease = orderly
		m := holder(t, s)
		ends := func(list []Action) bool {
			return slices.ContainsFunc(find[Lease](list), func(l Lease) bool { return l.Limit == 0 })
		}
		if dropped := m.Step(at(2*ms), NodeEligibility{Reasons: Suspend}); ends(dropped) == orderly || len(find[Drop](dropped)) != 1 {
			t.Errorf("orderly %v: %v", orderly, dropped)
		}
		w := idle(m, at(3*ms))
		if renewed := find[Lease](m.Step(at(3*ms), w)); orderly != (len(renewed) == 1 && renewed[0].Limit == at(123*ms)) {
			t.Errorf("orderly %v: renewed %v while it drops", orderly, renewed)
		}
		if down := m.Step(at(4*ms), Down{Token: 0}); ends(down) != orderly || m.Phase(0) != Idle {
			t.Errorf("orderly %v: %v when it is down", orderly, down)
		}
	}
}

// The failbacks of an hour are counted, and no more than the cap happen.
func TestFailbackCap(t *testing.T) {
	s := spec("vip:front", AutoFailback)
	s.Members[1].Priority, s.FailbackCap = 300, 1
	m := New(config(s), at(0))
	n := &m.tokens[0]
	n.moves = []clock.Instant{at(0)}
	q := queryAt(at(time.Hour - 1))
	if m.belowFailbackCap(&q, n) || q.next != at(time.Hour) {
		t.Errorf("a second failback within the hour, next check %v", q.next)
	}
	q = queryAt(at(time.Hour))
	if !m.belowFailbackCap(&q, n) || m.Status(q.now, 0).Moves != 0 {
		t.Error("none after the hour")
	}
}

// A lease ends L after the newest echoed send, or not at all while alone.
func TestLease(t *testing.T) {
	m := holder(t, spec("vip:front", 0))
	if limit := m.Status(at(1*ms), 0).Limit; limit != at(121*ms) {
		t.Errorf("limit %v after the echo of %v", limit.Sub(at(0)), 1*ms)
	}
	m.Step(at(75*ms), Tick{}) // 1.5 I of no echo are over at 76 ms
	if limit := m.Status(at(75*ms), 0).Limit; limit != at(121*ms) {
		t.Errorf("limit %v before it is alone", limit.Sub(at(0)))
	}
	goAlone(t, m, at(76*ms))
}

func TestReasonWords(t *testing.T) {
	if got := (Suspend | CheckFailing).Words(); !slices.Equal(got, []string{"suspended", "check failing"}) {
		t.Errorf("%v", got)
	}
}

// The largest cluster: a step must stay far below an interval.
func BenchmarkStep(b *testing.B) {
	c := config()
	for i := range MaxTokens {
		s := Spec{ID: uint64(i + 1)}
		for slot := range uint8(MaxNodes) {
			s.Members = append(s.Members, Member{Slot: slot + 1, Priority: 100, Place: int(slot)})
		}
		c.Tokens = append(c.Tokens, s)
	}
	m := New(c, at(0))
	m.Step(at(0), EpochsReserved{HighWater: 100_000, OK: true})
	for slot := uint8(2); slot <= MaxNodes; slot++ {
		w := idle(m, at(0))
		w.Peer = slot
		m.Step(at(0), w)
	}
	b.ReportAllocs()
	now := at(1 * ms)
	for b.Loop() {
		now += clock.Instant(time.Microsecond)
		m.Step(now, Report{Peer: 2, Dead: 150 * ms, Echoed: now, Fresh: true, Unsolicited: true, AckedRevision: m.Revision(), Complete: true})
	}
}

// With Disable Inheritance a silent holder's token is taken by an operator's word
// alone, which holds for that take.
func TestVouch(t *testing.T) {
	m := New(config(spec("vip:front", DisableInheritance)), at(0))
	m.Step(at(0), EpochsReserved{HighWater: 1000, OK: true})
	for now := range 3 {
		w := idle(m, at(time.Duration(now)*ms))
		w.Claims[0] = Claim{Phase: Holding, Epoch: 1<<8 | 2, Seen: 1<<8 | 2, Promises: true}
		m.Step(at(time.Duration(now)*ms), w)
		m.Step(at(time.Duration(now)*ms), RecordPersisted{Token: 0, OK: true})
	}
	if alive := find[PersistRecord](m.Step(at(100*ms), OperatorOverride{Token: 0})); len(alive) != 0 {
		t.Error("taken from a holder that is heard")
	}
	if silent := find[PersistRecord](m.Step(at(2*ms+overrideFor+200*ms), Tick{})); len(silent) != 0 {
		t.Error("taken on a word that is too old")
	}
	taken := find[PersistRecord](m.Step(at(20*time.Second), OperatorOverride{Token: 0}))
	if len(taken) != 1 || !taken[0].Record.Holder || m.tokens[0].overrideUntil != 0 {
		t.Errorf("not taken on an operator's word: %v", taken)
	}
}

// What happened at once is one decision: one new revision, whatever the number.
func TestSeveral(t *testing.T) {
	m := New(config(spec("vip:front", 0), spec("vip:back", 0)), at(0))
	m.Step(at(0), EpochsReserved{HighWater: 1000, OK: true})
	m.Step(at(0), idle(m, at(0)))
	for range 2 {
		m.Step(at(1*ms), idle(m, at(1*ms)))
	}
	before := m.Revision()
	actions := m.Step(at(2*ms), Batch{Up{Token: 0, Epoch: m.tokens[0].epoch}, Up{Token: 1, Epoch: m.tokens[1].epoch}})
	if m.Phase(0) != Holding || m.Phase(1) != Holding {
		t.Fatalf("%v and %v", m.Phase(0), m.Phase(1))
	}
	if n := len(find[ClaimsChanged](actions)); n != 1 || m.Revision() != before+1 {
		t.Errorf("%d changes, edition %d after %d", n, m.Revision(), before)
	}
}
