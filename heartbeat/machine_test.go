package heartbeat

import (
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
	m := &Message{Kind: kind, State: Up, Seq: seq, Sent: 5, Edition: 1, Pages: 1}
	if echo != 0 {
		m.Heard = []Heard{{Slot: 1, Session: ours, Sent: echo}}
	}
	return Received{From: 2, Session: theirs, Arrived: now, Message: m}
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
		{Unproven, func(r *Received) { r.Session, r.Message.Heard = 0xdd, nil }},
		{Waited, func(r *Received) { r.Arrived = at(-151 * ms) }},
		{FromFuture, func(r *Received) { r.Message.Heard[0].Sent = at(11 * ms) }},
		{Repeated, func(r *Received) { r.Message.Seq, r.Message.Heard = 1, nil }},
	} {
		m := New(config, at(0))
		old := from(at(0), 1, Beat, 0)
		old.Session = another
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
		if _, word := find[Word](list); word != (c.want == Kept) {
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
			r := from(now, 3*i+1, Beat, 0)
			r.Path = path
			m.Step(now, r)
			answer := from(now, 3*i+2+uint64(path), Answer, 0)
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
	m.Step(at(0), from(at(0), 1, Beat, 0))
	r := from(at(13*ms), 2, Answer, at(3*ms))
	r.Message.Heard[0].At, r.Message.Wall = 100, clock.Wall(100+4*ms) // held for 4 ms
	m.Step(at(13*ms), r)
	if got := m.Peer(2).Paths[0].RoundTrip; got != 6*ms {
		t.Errorf("round trip %v", got)
	}
}

// asks steps the machine at its deadlines and returns when it asked.
func asks(m *Machine, from, until clock.Instant) (list []clock.Instant) {
	for now := from; now < until; now = m.Deadline() {
		if say, ok := find[Say](m.Step(now, Tick{})); ok && say.Kind == Ask {
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
		_, stalled[i] = find[Stalled](m.Step(at(time.Duration(i+1)*100*ms), Tick{}))
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
	if _, stalled := find[Stalled](m.Step(now, Tick{})); !stalled {
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
	if thawed, ok := find[Thawed](m.Step(at(151*ms), Tick{})); !ok || thawed.For != 151*ms {
		t.Errorf("thawed %v %v", thawed, ok)
	}
	if m.Step(at(152*ms), late); m.Drops()[Waited] != 1 {
		t.Error("what waited through the freeze was taken")
	}
}

// A session that has not echoed ours is answered and heard, and changes nothing,
// be it new or a recording. One that echoes ours succeeds; the old one is over.
func TestSuccession(t *testing.T) {
	m := New(config, at(0))
	m.Step(at(0), from(at(0), 1, Beat, at(0)))
	fresh := from(at(5*ms), 1, Beat, 0)
	fresh.Session = another
	list := m.Step(at(5*ms), fresh)
	_, answered := find[Say](list)
	_, audible := find[Audible](list)
	if _, word := find[Word](list); word || !audible || !answered || m.Peer(2).Session != theirs {
		t.Errorf("unproven: %v", list)
	}
	fresh = from(at(6*ms), 2, Beat, at(5*ms))
	fresh.Session = another
	list = m.Step(at(6*ms), fresh)
	word, _ := find[Word](list)
	if retire, ok := find[Retire](list); !word.New || !ok || retire.Session != theirs || m.Peer(2).Session != another {
		t.Errorf("proven: %v", list)
	}
	if m.Step(at(7*ms), from(at(7*ms), 9, Beat, at(6*ms))); m.Drops()[OldSession] != 1 {
		t.Error("the replaced session is still taken")
	}
}

// Claims that take several messages count when the last page is there.
func TestPages(t *testing.T) {
	m := New(config, at(0))
	page := func(seq uint64, edition uint32, n uint16) Word {
		r := from(at(time.Duration(seq)*ms), seq, Beat, at(0))
		r.Message.Edition, r.Message.Page, r.Message.Pages, r.Message.Claims = edition, n, 3, []Claim{{Token: uint64(n)}}
		word, _ := find[Word](m.Step(at(time.Duration(seq)*ms), r))
		return word
	}
	if w := page(1, 7, 0); w.Changed || w.Current || !m.Want() {
		t.Error("one page of three is not all")
	}
	page(2, 7, 2)
	page(3, 7, 2) // again
	if w := page(4, 7, 1); !w.Changed || !w.Current || len(w.Claims) != 3 || m.Want() {
		t.Errorf("whole: %+v", w)
	}
	page(5, 8, 0)
	page(6, 9, 1)
	if w := page(7, 9, 2); w.Changed || !m.Want() {
		t.Error("pages of two editions were put together")
	}
}

func TestSender(t *testing.T) {
	s := NewSender(config, at(0))
	whole := Say{Kind: Beat, Whole: true}
	s.SetPayload(Words{State: Up, Edition: 3, Claims: make([]Claim, PageSize(2)+1)})
	if !s.Due(at(0)) || s.Due(at(49*ms)) || !s.Due(at(130*ms)) || s.Next() != at(180*ms) { // late: no second beat at once
		t.Errorf("next after a late beat: %v", s.Next().Sub(at(0)))
	}
	a, more := s.Compose(whole, 0, at(1*ms), 9)
	b, last := s.Compose(whole, 1, at(2*ms), 9)
	if a.Seq != 1 || b.Seq != 2 || len(a.Claims) != PageSize(2) || len(b.Claims) != 1 || b.Pages != 2 || s.Sent() != at(2*ms) || !more || last {
		t.Errorf("composed %+v and %+v", a, b)
	}
	if m, more := s.Compose(Say{Kind: Ask}, 0, at(3*ms), 9); m.Pages != 0 || m.Claims != nil || m.Edition != 3 || more {
		t.Errorf("an ask of claims that take two pages is %+v", m)
	}
	s.SetPayload(Words{State: Up, Edition: 4, Claims: make([]Claim, PageSize(2))})
	if m, more := s.Compose(Say{Kind: Ask}, 0, at(3*ms), 9); m.Pages != 1 || len(m.Claims) != PageSize(2) || more {
		t.Errorf("an ask of claims that fit one page is %+v", m)
	}
	s.Stepped(at(100 * ms))
	if s.Wedged(at(250*ms)) || !s.Wedged(at(251*ms)) {
		t.Error("wedged at another time than a dead time after the last step")
	}
}

// An edition whose pages were all lost is asked for: a message that bears its number
// and no claims shows that what is known is old.
func TestLostEditionIsAskedFor(t *testing.T) {
	m := New(config, at(0))
	hear := func(seq uint64, edition uint32, page, pages uint16) Word {
		r := from(at(time.Duration(seq)*ms), seq, Beat, at(0))
		r.Message.Edition, r.Message.Page, r.Message.Pages = edition, page, pages
		word, _ := find[Word](m.Step(at(time.Duration(seq)*ms), r))
		return word
	}
	knows := func() uint32 { return m.Heard(at(10*ms), nil)[0].Edition }
	hear(1, 7, 0, 2)
	if hear(2, 7, 1, 2); m.Want() || knows() != 7 {
		t.Fatal("edition 7 is not whole")
	}
	if w := hear(3, 8, 0, 0); w.Current || !m.Want() || knows() != 7 {
		t.Errorf("edition 8 exists: wanted %v, known %d, current %v", m.Want(), knows(), w.Current)
	}
	hear(4, 8, 1, 2)
	if hear(5, 8, 0, 0); !m.Want() {
		t.Error("half of edition 8 is enough")
	}
	if w := hear(6, 8, 0, 2); !w.Changed || !w.Current || m.Want() || knows() != 8 {
		t.Errorf("edition 8 is whole: wanted %v, known %d, %+v", m.Want(), knows(), w)
	}
}
