package heartbeat

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"vipd/heartbeat/clock"
)

const (
	ms      = time.Millisecond
	ours    = 0xaa // our session
	theirs  = 0xbb
	another = 0xcc
)

var config = Config{Self: 1, Session: ours, Peers: []uint8{2}, Interval: 50 * ms, Dead: 150 * ms, Lease: 120 * ms}

func at(d time.Duration) clock.Instant { return clock.Instant(time.Hour + d) }

// from makes a message of node 2 that echoes our send of the given time, if it
// is not 0, arriving at once.
func from(now clock.Instant, seq uint64, kind Kind, echo clock.Instant) Received {
	m := &Message{Kind: kind, State: Up, Seq: seq, Sent: 5, Revision: 1, Pages: 1}
	if echo != 0 {
		m.Echoes = []PeerEcho{{Slot: 1, Session: ours, Sent: echo}}
	}
	return Received{From: 2, Session: theirs, Start: 8, Arrived: now, Message: m}
}

// find returns the first action of the type.
func find[T Action](list []Action) (found T, ok bool) {
	for _, a := range list {
		if x, is := a.(T); is {
			return x, true
		}
	}
	return found, false
}

func TestDropReasons(t *testing.T) {
	for _, c := range []struct {
		want   DropReason
		change func(r *Received)
	}{
		{Kept, func(*Received) {}},
		{OwnEcho, func(r *Received) { r.From = 1 }},
		{NotAPeer, func(r *Received) { r.From = 9 }},
		{OldSession, func(r *Received) { r.Session = another }},
		{OldSession, func(r *Received) { r.Session, r.Start = 0xdd, 7 }},
		{Unproven, func(r *Received) { r.Session, r.Message.Echoes = 0xdd, nil }},
		{Unproven, func(r *Received) { r.Session, r.Message.Echoes[0].Sent = 0xdd, at(-141*ms) }},
		{Unproven, func(r *Received) { r.Session, r.Message.Echoes[0].Session = 0xdd, 0xab }},
		{Waited, func(r *Received) { r.Arrived = at(-151 * ms) }},
		{FromFuture, func(r *Received) { r.Message.Echoes[0].Sent = at(11 * ms) }},
		{Repeated, func(r *Received) { r.Message.Seq, r.Message.Echoes = 1, nil }},
	} {
		m := New(config, at(0))
		old := from(at(0), 1, Beat, at(0))
		old.Session, old.Start = another, 7
		m.Step(at(0), old)
		m.Step(at(1*ms), from(at(1*ms), 1, Beat, at(0))) // theirs replaces another
		r := from(at(10*ms), 2, Beat, at(5*ms))
		c.change(&r)
		list := m.Step(at(10*ms), r)
		for reason := OwnEcho; reason < dropReasons; reason++ {
			if n := m.Drops()[reason]; (n == 1) != (reason == c.want) || n > 1 {
				t.Errorf("%v: %v counted %d", c.want, reason, n)
			}
		}
		if _, word := find[*Report](list); word != (c.want == Kept) {
			t.Errorf("%v: a word came: %v", c.want, word)
		}
	}
}

func TestPathLoss(t *testing.T) {
	var p Path
	for _, seq := range []uint64{1, 2, 4, 3, 8} {
		p.take(at(0), seq)
	}
	if p.take(at(0), 3) || !p.take(at(0), 5) {
		t.Error("a copy counts, or a late first does not")
	}
	for _, sent := range []clock.Instant{0, 50, 51, 100, 120, 149, 350, 300} { // 200 to 300 came late or never
		p.count(at(time.Duration(sent)*ms), 50*ms)
	}
	if got := p.Loss(); got != 3.0/8 {
		t.Errorf("loss %v of %b", got, p.beats)
	}
}

// Answers take one path each: on the other one they are not missing.
func TestAnswersAreNoLoss(t *testing.T) {
	m := New(config, at(0))
	for i := range uint64(10) {
		now := at(time.Duration(i) * 50 * ms)
		for path := range uint8(2) {
			r := from(now, 3*i+1, Beat, now)
			r.Path = path
			m.Step(now, r)
			answer := from(now, 3*i+2+uint64(path), Reply, 0)
			answer.Path = path
			m.Step(now, answer)
		}
	}
	for path := range 2 {
		if got := m.Peer(2).Paths[path].Loss(); got != 0 {
			t.Errorf("path %d lost %v", path, got)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	m := New(config, at(0))
	m.Step(at(0), from(at(0), 1, Beat, at(0)))
	r := from(at(13*ms), 2, Reply, at(3*ms))
	r.Message.Echoes[0].At, r.Message.Wall = 100, clock.Wall(100+4*ms) // held for 4 ms
	m.Step(at(13*ms), r)
	if got := m.Peer(2).Paths[0].RoundTrip; got != 6*ms {
		t.Errorf("round trip %v", got)
	}
}

// asks steps the machine at its deadlines and returns when it asked.
func asks(m *Machine, from, until clock.Instant) (list []clock.Instant) {
	for now := from; now < until; now = m.Deadline() {
		if say, ok := find[Send](m.Step(now, Tick{})); ok && say.Kind == Query {
			list = append(list, now)
		}
	}
	return list
}

// A silent peer is asked every L/20 from 1.2 I on, for a second.
func TestAsks(t *testing.T) {
	m := New(config, at(0))
	m.Step(at(0), from(at(0), 1, Beat, at(0)))
	list := asks(m, m.Deadline(), at(5*time.Second))
	if len(list) < 2 || list[0] != at(60*ms) || list[1] != at(66*ms) {
		t.Fatalf("asked at %v", list)
	}
	if last := list[len(list)-1]; last < at(time.Second) || last > at(1100*ms) {
		t.Errorf("asked until %v", last.Sub(at(0)))
	}
}

// A stall restarts the timers at most twice in a row.
func TestStallGuard(t *testing.T) {
	m := New(config, at(0))
	m.Step(at(0), from(at(0), 1, Beat, at(0)))
	var stalled [4]bool
	for i := range stalled {
		_, stalled[i] = find[LateStep](m.Step(at(time.Duration(i+1)*100*ms), Tick{}))
	}
	if stalled != [...]bool{true, true, false, false} {
		t.Errorf("stalled %v", stalled)
	}
}

// A stall makes nobody alive who was dead before it.
func TestStallOfTheDeadsWitness(t *testing.T) {
	m := New(config, at(0))
	m.Step(at(0), from(at(0), 1, Beat, at(0)))
	for now := m.Deadline(); now < at(config.Dead*2); now = m.Deadline() {
		m.Step(now, Tick{})
	}
	now := m.Deadline().Add(config.Interval)
	if _, stalled := find[LateStep](m.Step(now, Tick{})); !stalled {
		t.Fatal("no stall")
	}
	if silence := m.Peer(2).Silence(now); silence <= config.Dead {
		t.Errorf("silent for %v, though it was dead before", silence)
	}
}

func TestThaw(t *testing.T) {
	m := New(config, at(0))
	m.Step(at(0), from(at(0), 1, Beat, at(0)))
	late := from(at(10*ms), 2, Beat, at(0)) // lay in the socket
	if thawed, ok := find[Resumed](m.Step(at(151*ms), Tick{})); !ok || thawed.For != 151*ms {
		t.Errorf("thawed %v %v", thawed, ok)
	}
	if m.Step(at(152*ms), late); m.Drops()[Waited] != 1 {
		t.Error("what waited through the freeze was taken")
	}
}

// heardOf returns what the machine says that it has heard of node 2.
func heardOf(m *Machine, now clock.Instant) (list []PeerEcho) { return m.Echoes(now, nil) }

// A session that has not echoed ours is echoed, so that it can, and changes nothing; one
// that has takes the place of the one before.
func TestSuccession(t *testing.T) {
	m := New(config, at(0))
	m.Step(at(0), from(at(0), 1, Beat, at(0)))
	fresh := from(at(5*ms), 1, Beat, 0)
	fresh.Session, fresh.Start = another, 9
	list := m.Step(at(5*ms), fresh)
	_, answered := find[Send](list)
	_, audible := find[SessionPending](list)
	if _, word := find[*Report](list); word || answered || !audible || m.Peer(2).Session != theirs || m.Peer(2).Heard != at(0) {
		t.Errorf("unproven: %v", list)
	}
	if h := heardOf(m, at(5*ms)); len(h) != 2 || h[0].Pending || h[1] != (PeerEcho{Slot: 2, Pending: true, Paths: 1, Session: another, Sent: 5}) {
		t.Errorf("echoed: %+v", h)
	}
	fresh = from(at(6*ms), 2, Beat, at(5*ms))
	fresh.Session, fresh.Start = another, 9
	fresh.Message.Echoes[0].Pending = true
	list = m.Step(at(6*ms), fresh)
	if word, ok := find[*Report](list); !ok || !word.NewSession || word.Echoed != 0 || m.Peer(2).Session != another || m.Peer(2).Echo != 0 {
		t.Errorf("proven by an echo from before it counted there: %v", list)
	}
	if h := heardOf(m, at(6*ms)); len(h) != 1 || h[0].Pending || h[0].Session != another {
		t.Errorf("echoed: %+v", h)
	}
	if m.Step(at(7*ms), from(at(7*ms), 9, Beat, at(6*ms))); m.Drops()[OldSession] != 1 {
		t.Error("the replaced session is still taken")
	}
}

// Whatever is heard of sessions that have not proved themselves: nothing is answered,
// and what is known of the peer stays as it is. The peer may be there only by a session
// that began after all that have proved themselves; and right after our start, by the one
// that an earlier run of ours knew.
func TestRecordings(t *testing.T) {
	for _, c := range []struct {
		name    string
		starts  []Start // known of an earlier run
		live    bool    // a session with start 8 has proved itself
		start   uint64
		silence time.Duration
		reason  DropReason
		audible bool
		later   bool
	}{
		{"of an earlier start", nil, true, 7, 10 * ms, OldSession, false, false},
		{"of an earlier start, in a silence", nil, true, 7, time.Second, OldSession, false, false},
		{"of an earlier start, known from an earlier run", []Start{{2, 8}}, false, 7, 10 * ms, OldSession, false, false},
		{"of the present start, after ours", []Start{{2, 8}}, false, 8, 10 * ms, Unproven, true, false},
		{"of the present start, long after ours", []Start{{2, 8}}, false, 8, time.Second, Unproven, true, false},
		{"of a later start, after ours", []Start{{2, 8}}, false, 9, 10 * ms, Unproven, true, true},
		{"of a later start, long after ours", []Start{{2, 8}}, false, 9, time.Second, Unproven, true, true},
		{"of a node never heard", nil, false, 9, 10 * ms, Unproven, true, false},
		{"of a node never heard, without a start", nil, false, 0, 10 * ms, Unproven, false, false},
		{"of a later start", nil, true, 9, time.Second, Unproven, true, true},
		{"without a start", nil, true, 0, time.Second, Unproven, false, false},
		{"of the same start", nil, true, 8, time.Second, Unproven, false, false},
	} {
		config := config
		config.Starts = c.starts
		m := New(config, at(0))
		if c.live {
			m.Step(at(0), from(at(0), 1, Beat, at(0)))
		}
		for now := m.Deadline(); now < at(c.silence); now = m.Deadline() {
			m.Step(now, Tick{})
		}
		before := *m.Peer(2)
		for seq := range uint64(3) {
			r := from(at(c.silence), seq+1, Query, 0)
			r.Session, r.Start = another, c.start
			list := m.Step(at(c.silence), r)
			for _, a := range list {
				if say, ok := a.(Send); ok && say.Kind == Reply || !ok && a != (SessionPending{From: 2, Later: c.later}) {
					t.Errorf("%s: %+v", c.name, a)
				}
			}
			if _, audible := find[SessionPending](list); audible != c.audible {
				t.Errorf("%s: audible %v", c.name, audible)
			}
			if _, again := find[SessionPending](m.Step(at(c.silence), r)); again {
				t.Errorf("%s: audible by a copy", c.name)
			}
		}
		if n := m.Drops()[c.reason]; n != 6 {
			t.Errorf("%s: %d dropped as %v", c.name, n, c.reason)
		}
		after := *m.Peer(2)
		after.pending, after.unranked, after.queried, after.trouble = before.pending, before.unranked, before.queried, before.trouble
		if !reflect.DeepEqual(after, before) {
			t.Errorf("%s: changed\n%+v to\n%+v", c.name, before, after)
		}
	}
}

// Of sessions that have not proved themselves the one with the greatest start is
// waited for, and beside it some that have none: recordings keep no peer from proving
// itself.
func TestRecordingsDisplaceNothing(t *testing.T) {
	for _, start := range []uint64{0, 50} {
		m := New(config, at(0))
		hear := func(seq, session, start uint64) {
			r := from(at(time.Duration(seq)*ms), seq, Beat, 0)
			r.Session, r.Start = session, start
			m.Step(r.Arrived, r)
		}
		seq := uint64(0)
		for range 20 {
			hear(seq+1, 0x1000, start)
			for recorded := range uint64(30) {
				seq++
				hear(seq, 0x2000+recorded, recorded+10)
			}
			for recorded := range uint64(3) {
				hear(seq, 0x3000+recorded, 0)
			}
		}
		found := false
		for turn := range 4 {
			h := heardOf(m, at(time.Duration(seq)*ms).Add(time.Duration(turn)*config.Interval/4))
			found = found || slices.ContainsFunc(h, func(h PeerEcho) bool { return h.Session == 0x1000 && h.Pending })
			if len(h) > 1+maxPending {
				t.Errorf("echoes %d sessions", len(h))
			}
		}
		if start == 0 {
			for turn := range 5 { // what has no start comes in turn
				h := heardOf(m, at(time.Duration(seq)*ms).Add(time.Duration(turn)*config.Interval))
				found = found || slices.ContainsFunc(h, func(h PeerEcho) bool { return h.Session == 0x1000 })
			}
		}
		if !found {
			t.Errorf("the session of start %d is not echoed", start)
		}
	}
}

// A node whose start counter has gone back is told, and its sessions are not listened to.
func TestOutranked(t *testing.T) {
	known := config
	known.Starts = []Start{{2, 40}}
	m := New(known, at(0))
	m.Step(at(0), from(at(0), 1, Beat, at(0)))
	if m.Drops()[OldSession] != 1 {
		t.Error("an earlier start is listened to")
	}
	if told := m.Starts(at(0), nil); len(told) != 1 || told[0] != (Start{2, 40}) {
		t.Errorf("told %v", told)
	}
	ours := config
	ours.Start = 7
	for _, c := range []struct{ told, want uint64 }{{6, 0}, {7, 0}, {40, 40}} {
		m := New(ours, at(0))
		r := from(at(0), 1, Beat, 0)
		r.Message.Starts = []Start{{3, 99}, {1, c.told}}
		if o, _ := find[SessionReplaced](m.Step(at(0), r)); o.Start != c.want {
			t.Errorf("told of %d: %v", c.told, o)
		}
		r.Message.Seq = 2
		if _, again := find[SessionReplaced](m.Step(at(0), r)); again {
			t.Errorf("told of %d twice", c.told)
		}
	}
}

// Two nodes that start at the same moment prove each other by their own beats and
// answers.
func TestTwoStart(t *testing.T) {
	a, b := New(config, at(0)), New(Config{Self: 2, Session: theirs, Start: 8, Peers: []uint8{1}, Interval: 50 * ms, Dead: 150 * ms, Lease: 120 * ms}, at(0))
	toB := func(now clock.Instant, seq uint64, kind Kind) []Action {
		return b.Step(now, Received{From: 1, Session: ours, Start: 3, Arrived: now, Message: &Message{Kind: kind, State: Up, Seq: seq, Sent: now, Echoes: heardOf(a, now)}})
	}
	toA := func(now clock.Instant, seq uint64, kind Kind) []Action {
		return a.Step(now, Received{From: 2, Session: theirs, Start: 8, Arrived: now, Message: &Message{Kind: kind, State: Up, Seq: seq, Sent: now, Echoes: heardOf(b, now)}})
	}
	toB(at(0), 1, Beat)
	list := toA(at(1*ms), 1, Beat) // echoes a's beat
	if word, ok := find[*Report](list); !ok || word.Echoed != 0 {
		t.Fatalf("a of b: %+v", list)
	}
	if say, ok := find[Send](list); !ok || say.Kind != Reply {
		t.Fatal("a does not answer")
	}
	if word, ok := find[*Report](toB(at(2*ms), 2, Reply)); !ok || word.Echoed != at(1*ms) {
		t.Fatalf("b of a: %+v", word)
	}
	if word, ok := find[*Report](toA(at(3*ms), 2, Beat)); !ok || word.Echoed != at(2*ms) {
		t.Fatalf("a of b: %+v", word)
	}
}

// Claims that take several messages count when the last page is there.
func TestPages(t *testing.T) {
	m := New(config, at(0))
	page := func(seq uint64, edition uint32, n uint16) *Report {
		r := from(at(time.Duration(seq)*ms), seq, Beat, at(0))
		r.Message.Revision, r.Message.Page, r.Message.Pages, r.Message.Claims = edition, n, 3, []Claim{{Token: uint64(n)}}
		word, _ := find[*Report](m.Step(at(time.Duration(seq)*ms), r))
		return word
	}
	if w := page(1, 7, 0); w.Changed || w.Complete || !m.RequestClaims() {
		t.Error("one page of three is not all")
	}
	page(2, 7, 2)
	page(3, 7, 2) // again
	if w := page(4, 7, 1); !w.Changed || !w.Complete || len(w.Claims) != 3 || m.RequestClaims() {
		t.Errorf("whole: %+v", w)
	}
	page(5, 8, 0)
	page(6, 9, 1)
	if w := page(7, 9, 2); w.Changed || !m.RequestClaims() {
		t.Error("pages of two editions were put together")
	}
}

func TestSender(t *testing.T) {
	second := config
	second.Self, second.Peers = 2, []uint8{1}
	s := NewSender(second, at(0))
	whole := Send{Kind: Beat, AllPages: true}
	s.SetPayload(Payload{State: Up, Revision: 3, Claims: make([]Claim, PageSize(2)+1)})
	if !s.Due(at(0)) || s.Due(at(49*ms)) || !s.Due(at(130*ms)) || s.Next() != at(180*ms) { // late: no second beat at once
		t.Errorf("next after a late beat: %v", s.Next().Sub(at(0)))
	}
	a, more := s.Compose(whole, 0, at(1*ms), 9)
	b, last := s.Compose(whole, 1, at(2*ms), 9)
	if a.Seq != 1 || b.Seq != 2 || len(a.Claims) != PageSize(2) || len(b.Claims) != 1 || b.Pages != 2 || s.Sent() != at(2*ms) || !more || last {
		t.Errorf("composed %+v and %+v", a, b)
	}
	if m, more := s.Compose(Send{Kind: Query}, 0, at(3*ms), 9); m.Pages != 0 || m.Claims != nil || m.Revision != 3 || more {
		t.Errorf("an ask of claims that take two pages is %+v", m)
	}
	s.SetPayload(Payload{State: Up, Revision: 4, Claims: make([]Claim, PageSize(2))})
	if m, more := s.Compose(Send{Kind: Query}, 0, at(3*ms), 9); m.Pages != 1 || len(m.Claims) != PageSize(2) || more {
		t.Errorf("an ask of claims that fit one page is %+v", m)
	}
	s.Stepped(at(100 * ms))
	if s.Stuck(at(250*ms)) || !s.Stuck(at(251*ms)) {
		t.Error("wedged at another time than a dead time after the last step")
	}
}

// An revision whose pages were all lost is asked for: a message that bears its number
// and no claims shows that what is known is old.
func TestLostEditionIsAskedFor(t *testing.T) {
	m := New(config, at(0))
	hear := func(seq uint64, edition uint32, page, pages uint16) *Report {
		r := from(at(time.Duration(seq)*ms), seq, Beat, at(0))
		r.Message.Revision, r.Message.Page, r.Message.Pages = edition, page, pages
		word, _ := find[*Report](m.Step(at(time.Duration(seq)*ms), r))
		return word
	}
	knows := func() uint32 { return m.Echoes(at(10*ms), nil)[0].Revision }
	hear(1, 7, 0, 2)
	if hear(2, 7, 1, 2); m.RequestClaims() || knows() != 7 {
		t.Fatal("edition 7 is not whole")
	}
	if w := hear(3, 8, 0, 0); w.Complete || !m.RequestClaims() || knows() != 7 {
		t.Errorf("edition 8 exists: wanted %v, known %d, current %v", m.RequestClaims(), knows(), w.Complete)
	}
	hear(4, 8, 1, 2)
	if hear(5, 8, 0, 0); !m.RequestClaims() {
		t.Error("half of edition 8 is enough")
	}
	if w := hear(6, 8, 0, 2); !w.Changed || !w.Complete || m.RequestClaims() || knows() != 8 {
		t.Errorf("edition 8 is whole: wanted %v, known %d, %+v", m.RequestClaims(), knows(), w)
	}
}

// A node that is late again and again, and on time in between, sees a death all the same.
func TestBusyNodeSeesADeath(t *testing.T) {
	for _, c := range []struct{ late, every time.Duration }{{26 * ms, 6}, {80 * ms, 3}, {90 * ms, 1}} {
		m := New(config, at(0))
		m.Step(at(0), from(at(0), 1, Beat, at(0)))
		stalls, now := 0, at(0)
		for i := time.Duration(1); now < at(20*time.Second); i++ {
			now = m.Deadline()
			if i%c.every == 0 {
				now = now.Add(c.late)
			}
			if _, stalled := find[LateStep](m.Step(now, Tick{})); stalled {
				stalls++
			}
		}
		if silence := m.Peer(2).Silence(now); silence < 19*time.Second || stalls != lateStepsForgiven {
			t.Errorf("late by %v every %d steps: silent for %v, %d stalls", c.late, c.every, silence, stalls)
		}
	}
}
