package token

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"vipd/heartbeat/clock"
)

// everyQuestion asks the rules all that decides what becomes of the token.
var everyQuestion = map[string]func(m *Machine, q *query, t *state, i int) any{
	"alive":       func(m *Machine, q *query, t *state, i int) any { return m.alive(q, &m.peers[i]) },
	"speaks":      func(m *Machine, q *query, t *state, i int) any { return m.reportsOnTime(q, t, &m.peers[i]) },
	"oneWay":      func(m *Machine, q *query, t *state, _ int) any { return m.oneWay(q, t) },
	"reasons":     func(m *Machine, q *query, t *state, _ int) any { return m.reasons(q, t) },
	"rival":       func(m *Machine, q *query, t *state, _ int) any { return m.rival(q, t) },
	"deafRival":   func(m *Machine, q *query, t *state, i int) any { return m.deafRival(q, t, i) },
	"rivalLeaves": func(m *Machine, q *query, t *state, _ int) any { return m.rivalLeaves(q, t) },
	"leaseLimit":  func(m *Machine, q *query, t *state, _ int) any { return m.leaseLimit(q, t) },
	"clears":      func(m *Machine, q *query, t *state, i int) any { return m.peerPermits(q, t, i) },
	"cleared": func(m *Machine, q *query, t *state, _ int) any {
		c, ok := m.takePermitted(q, t)
		return fmt.Sprint(c, ok)
	},
	"best":     func(m *Machine, q *query, t *state, _ int) any { return m.bestCandidate(q, t) },
	"underCap": func(m *Machine, q *query, t *state, _ int) any { return m.belowFailbackCap(q, t) },
	"gaveUp":   func(m *Machine, q *query, t *state, i int) any { return m.gaveUp(q, t, m.peers[i].slot) },
}

// A question changes nothing of the machine, and until the check that it leaves its answer
// stays what it was, if nothing comes meanwhile.
func TestQuestions(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 1))
		life := newLife(r)
		for range 60 {
			life.step(r)
			if !life.ask(t, r, seed) {
				return
			}
		}
	}
}

// life is a machine that is told what may happen, at random.
type life struct {
	m   *Machine
	now clock.Instant
}

func newLife(r *rand.Rand) *life {
	l := &life{now: at(0)}
	specs := []Spec{spec("vip:front", AutoFailback), spec("vip:asked", 0), spec("group:hist", Bits(r.IntN(8)))}
	specs[0].Probeable, specs[1].Probeable, specs[2].StopBeforeRelease = true, true, true
	specs[1].Network, specs[0].FailbackCap = 7, 1
	for i := range specs {
		specs[i].Members = append(specs[i].Members, Member{Slot: 3, Priority: 50 + r.IntN(200), Place: 2})
	}
	l.m = New(config(specs...), l.now)
	l.tell(EpochsReserved{HighWater: 1 << 20, OK: true})
	return l
}

// tell has the machine step, and everything that it asks for be done.
func (l *life) tell(ev Event) {
	var answers []Event
	for _, a := range l.m.Step(l.now, ev) {
		switch a := a.(type) {
		case Acquire:
			answers = append(answers, Up{Token: a.Token, Epoch: a.Epoch})
		case Drop:
			answers = append(answers, Down{Token: a.Token})
		case PersistRecord:
			answers = append(answers, RecordPersisted{Token: a.Token, OK: true})
		}
	}
	for _, ev := range answers {
		l.tell(ev)
	}
}

func (l *life) step(r *rand.Rand) {
	l.now = l.now.Add(time.Duration(r.IntN(60)) * ms)
	peer := uint8(2 + r.IntN(2))
	switch r.IntN(12) {
	case 0:
		l.tell(LateStep{Peer: peer})
	case 1:
		l.tell(SessionPending{Peer: peer, Later: r.IntN(2) == 0})
	case 2:
		l.tell(Eligibility{Token: r.IntN(3), Reasons: []Reason{0, 0, LinkDown, CheckFailing}[r.IntN(4)]})
	case 3:
		l.tell(ProbeAnswered{Token: r.IntN(2), Peer: peer, Asked: l.now.Add(-ms), MAC: [6]byte{2}})
	case 4:
		l.tell(PeerProbes{Token: r.IntN(2), Peer: peer})
	case 5:
		if r.IntN(4) == 0 {
			l.tell(Resumed{})
		}
	case 6, 7:
		l.tell(Tick{})
		l.tell(Tick{})
	default:
		l.tell(l.word(r, peer))
	}
}

// word is a message of the peer.
func (l *life) word(r *rand.Rand, peer uint8) Report {
	heard := l.m.peer(peer).heard
	w := Report{Peer: peer, Dead: 150 * ms, Leased: r.IntN(4) > 0, Silence: l.now.Sub(heard), NewSession: r.IntN(15) == 0, Fresh: r.IntN(9) > 0,
		Unsolicited: r.IntN(3) > 0, AckedRevision: l.m.Revision() - uint32(r.IntN(2)), Changed: true, Complete: r.IntN(9) > 0}
	if r.IntN(3) > 0 {
		w.Echoed = l.now.Add(-time.Duration(r.IntN(40)) * ms)
	}
	for i := range l.m.Tokens() {
		c := same(l.m, i)
		if r.IntN(4) == 0 {
			c.Phase, c.Epoch, c.Tenure = Phase(r.IntN(4)), uint64(r.IntN(20))<<8|uint64(peer), time.Duration(r.IntN(100))*ms
		}
		c.Reasons = []Reason{0, 0, 0, LinkDown, CheckFailing}[r.IntN(5)]
		w.Claims = append(w.Claims, c)
	}
	return w
}

// ask asks everything twice: now, and at an instant before the check that the first left.
func (l *life) ask(t *testing.T, r *rand.Rand, seed uint64) bool {
	m := l.m
	before := fmt.Sprintf("%+v", *m)
	for name, question := range everyQuestion {
		i, token := r.IntN(len(m.peers)), &m.tokens[r.IntN(3)]
		q := queryAt(l.now)
		answer := question(m, &q, token, i)
		if q.next <= l.now {
			t.Errorf("seed %d: %s: the check is due at once", seed, name)
			return false
		}
		last := clock.Min(q.next-1, l.now.Add(2*time.Second))
		later := queryAt(l.now.Add(time.Duration(r.Int64N(int64(last.Sub(l.now)) + 1))))
		if r.IntN(2) == 0 {
			later = queryAt(last)
		}
		if again := question(m, &later, token, i); again != answer {
			t.Errorf("seed %d, %v: %s was %v, and is %v after %v with no check before %v", seed, l.now.Sub(at(0)), name, answer, again, later.now.Sub(l.now), q.next.Sub(l.now))
		}
	}
	if after := fmt.Sprintf("%+v", *m); after != before {
		t.Errorf("seed %d: a question changed the machine from\n%s to\n%s", seed, before, after)
		return false
	}
	return true
}
