package token

import (
	"time"

	"vipd/heartbeat/clock"
)

// The planned move (rule K3): offer → accept → (lease ended, resource removed) release →
// taken. Break before make, and it can be called off until the release.

// give starts or continues handing the token to a better or an ordered node.
func (m *Machine) give(q *query, i int) {
	t := &m.tokens[i]
	if t.handover.verb == Offer {
		m.offered(q, i)
		return
	}
	if j := m.best(q, t); j >= 0 {
		m.offer(q.now, t, m.peers[j].slot, m.whyGive(t), false)
	}
}

func (m *Machine) whyGive(t *state) Cause {
	if t.fitness.Fit() {
		return Priority
	}
	return causeOf(t.fitness)
}

// offer asks the node whether it is ready. The number is unique in this
// session, so that an answer to an earlier offer means nothing.
func (m *Machine) offer(now clock.Instant, t *state, to uint8, c Cause, pinned bool) {
	t.handover = handover{verb: Offer, peer: to, number: uint64(m.edition) + 1, until: now.Add(m.config.Dead),
		cause: c, pinned: pinned, decline: t.handover.decline}
}

// offered looks what became of the offer.
func (m *Machine) offered(q *query, i int) {
	t := &m.tokens[i]
	h := &t.handover
	j := m.place(h.peer)
	if j < 0 {
		*h = handover{decline: h.decline}
		return
	}
	p, v := &m.peers[j], &t.views[j]
	answered := p.known && v.To == m.config.Self && v.About == h.number
	switch {
	case answered && v.Verb == Accept && m.proven(q, p):
		h.verb = Release
		if h.cause == Priority {
			t.moves = append(t.failbacks(q.now), q.now)
		}
		m.drop(i, h.cause)
	case answered && v.Verb == Decline, q.reached(h.until), !m.alive(q, p):
		if h.pinned {
			m.do(Refused{Token: i, Why: NotTaken})
		}
		*h = handover{decline: h.decline}
		t.reoffer = q.now.Add(giveAgain)
	}
}

// giveAgain is how long a holder waits after an offer came to nothing.
const giveAgain = time.Second

// best returns the place of the fit peer that should have the token instead of
// us, or −1: any fit one while a soft reason speaks against us, else one of
// higher priority if failback is on and its gates are open.
func (m *Machine) best(q *query, t *state) int {
	best := -1
	if t.reoffer != 0 && !q.reached(t.reoffer) {
		return best
	}
	for j := range m.peers {
		p, v := &m.peers[j], &t.views[j]
		if v.fitAt == 0 || v.Phase != Idle || !m.alive(q, p) || !m.proven(q, p) || !m.wants(q, t, j) {
			continue
		}
		if best < 0 || m.before(t, j, best) {
			best = j
		}
	}
	return best
}

// wants (rule K2) reports whether policy prefers the fit peer over us.
func (m *Machine) wants(q *query, t *state, j int) bool {
	if !t.fitness.Fit() {
		return true
	}
	p, v := &m.peers[j], &t.views[j]
	if !t.counts(j) || t.spec.Bits&AutoFailback == 0 || t.pinned || p.closed || t.theirRank(j).priority <= t.ownRank().priority {
		return false
	}
	return q.reached(v.fitAt.Add(t.spec.FailbackDelay)) && m.underCap(q, t)
}

// underCap reports whether another failback is allowed within the hour.
func (m *Machine) underCap(q *query, t *state) bool {
	moves := t.failbacks(q.now)
	return t.spec.FailbackCap == 0 || len(moves) < t.spec.FailbackCap || q.reached(moves[0].Add(time.Hour))
}

// failbacks returns when the token went to a better node within the hour before now.
func (t *state) failbacks(now clock.Instant) []clock.Instant {
	list := t.moves
	for len(list) > 0 && now.Sub(list[0]) >= time.Hour {
		list = list[1:]
	}
	return list
}

// before orders two peers of equal fitness.
func (m *Machine) before(t *state, a, b int) bool {
	return t.theirRank(a).before(t.theirRank(b))
}

// move starts what an operator ordered; only the holder can.
func (m *Machine) move(q *query, e Move) {
	t := &m.tokens[e.Token]
	j := m.place(e.To)
	switch {
	case t.phase != Holding:
		m.do(Refused{Token: e.Token, Why: NotHeld})
	case e.To == m.config.Self:
		t.pinned = true
	case t.handover.verb == Offer && t.handover.pinned:
		m.do(Refused{Token: e.Token, Why: UnderWay})
	case j < 0 || !t.counts(j):
		m.do(Refused{Token: e.Token, Why: NoSuchNode})
	case !m.alive(q, &m.peers[j]):
		m.do(Refused{Token: e.Token, Why: NotHeard})
	case t.views[j].Reasons.level() == 0:
		m.do(Refused{Token: e.Token, Why: NotFit})
	default:
		m.offer(q.now, t, e.To, Operator, true)
	}
}

// answer is the taker's side: it accepts an offer made to it, or declines that
// number for good; and the giver's: it stops saying that it gave when the
// taker has it, or has let W pass.
func (m *Machine) answer(q *query, t *state) {
	h := &t.handover
	if h.verb == Release {
		j := m.place(h.peer)
		if v := &t.views[max(j, 0)]; j < 0 || v.Phase != Idle || v.Verb == Decline && v.About == h.number || q.reached(h.until) {
			*h = handover{decline: h.decline}
		}
		return
	}
	if !m.offerMayStand(q, h) {
		m.readOffers(q, t)
	}
	if offered := (offer{h.peer, h.number}); h.verb == Accept && (t.fitness.level() == 0 || h.decline == offered) {
		h.verb, h.decline = Decline, offered
	}
}

// offerMayStand reports whether the offer that was answered is still to be answered so: the
// giver is heard, but its newest claims are not known whole. They may have the offer too, and
// an answer taken back and given again with each page would keep both from ever being whole.
func (m *Machine) offerMayStand(q *query, h *handover) bool {
	j := m.place(h.peer)
	return h.verb != Silent && j >= 0 && !m.peers[j].known && m.alive(q, &m.peers[j])
}

// readOffers accepts what is offered to this node.
func (m *Machine) readOffers(q *query, t *state) {
	h := &t.handover
	*h = handover{decline: h.decline}
	for j := range m.peers {
		p, v := &m.peers[j], &t.views[j]
		if !p.known || v.To != m.config.Self || v.Verb != Offer && v.Verb != Release || !m.alive(q, p) {
			continue
		}
		h.verb, h.peer, h.number, h.pinned = Accept, p.slot, v.About, v.Pinned
		h.cause = Priority
		if v.Pinned {
			h.cause = Operator
		}
	}
}
