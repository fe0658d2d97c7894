package token

import (
	"time"

	"vipd/heartbeat/clock"
)

// The planned move (rule K3): offer → accept → (lease ended, resource removed) release →
// taken. Break before make, and it can be called off until the release.

// planHandover starts or continues handing the token to a better or an ordered node.
func (m *Machine) planHandover(q *query, i int) {
	t := &m.tokens[i]
	if t.handover.verb == Offer {
		m.checkOffer(q, i)
		return
	}
	if j := m.bestCandidate(q, t); j >= 0 {
		m.offer(q.now, t, m.peers[j].slot, m.handoverCause(t), false)
	}
}

func (m *Machine) handoverCause(t *state) Cause {
	if t.eligibility.Eligible() {
		return Priority
	}
	return causeOf(t.eligibility)
}

// offer asks the node whether it is ready. The number is unique in this
// session, so that an answer to an earlier offer does not count.
func (m *Machine) offer(now clock.Instant, t *state, to uint8, c Cause, pinned bool) {
	t.handover = handover{verb: Offer, peer: to, number: uint64(m.revision) + 1, until: now.Add(m.config.Dead),
		cause: c, pinned: pinned, decline: t.handover.decline}
}

// checkOffer reads the answer to the offer.
func (m *Machine) checkOffer(q *query, i int) {
	t := &m.tokens[i]
	h := &t.handover
	j := m.place(h.peer)
	if j < 0 {
		*h = handover{decline: h.decline}
		return
	}
	p, v := &m.peers[j], &t.claims[j]
	answered := p.complete && v.To == m.config.Self && v.About == h.number
	switch {
	case answered && v.Verb == Accept && m.echoFresh(q, p):
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
		t.reoffer = q.now.Add(reofferAfter)
	}
}

// reofferAfter is how long a holder waits after a failed offer.
const reofferAfter = time.Second

// bestCandidate returns the place of the eligible peer that should have the token instead of
// us, or −1: any eligible one while a soft reason speaks against us, else one of
// higher priority if failback is on and its gates are open.
func (m *Machine) bestCandidate(q *query, t *state) int {
	best := -1
	if t.reoffer != 0 && !q.reached(t.reoffer) {
		return best
	}
	for j := range m.peers {
		p, v := &m.peers[j], &t.claims[j]
		if v.eligibleSince == 0 || v.Phase != Idle || !m.alive(q, p) || !m.echoFresh(q, p) || !m.prefersPeer(q, t, j) {
			continue
		}
		if best < 0 || m.ranksAbove(t, j, best) {
			best = j
		}
	}
	return best
}

// prefersPeer (rule K2) reports whether policy prefers the eligible peer over us.
func (m *Machine) prefersPeer(q *query, t *state, j int) bool {
	if !t.eligibility.Eligible() {
		return true
	}
	p, v := &m.peers[j], &t.claims[j]
	if !t.counts(j) || t.spec.Bits&AutoFailback == 0 || t.pinned || p.failbackBlocked || t.theirRank(j).priority <= t.ownRank().priority {
		return false
	}
	return q.reached(v.eligibleSince.Add(t.spec.FailbackDelay)) && m.belowFailbackCap(q, t)
}

// belowFailbackCap reports whether another failback is allowed within the hour.
func (m *Machine) belowFailbackCap(q *query, t *state) bool {
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

// ranksAbove orders two peers of equal eligibility.
func (m *Machine) ranksAbove(t *state, a, b int) bool {
	return t.theirRank(a).before(t.theirRank(b))
}

// startMove starts an operator's move; only the holder can.
func (m *Machine) startMove(q *query, e Move) {
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
	case t.claims[j].Reasons.level() == 0:
		m.do(Refused{Token: e.Token, Why: NotFit})
	default:
		m.offer(q.now, t, e.To, Operator, true)
	}
}

// answerOffer is the taker's side: it accepts an offer made to it, or declines that
// number for good; and the giver's: it stops saying that it gave when the
// taker has it, or has let W pass.
func (m *Machine) answerOffer(q *query, t *state) {
	h := &t.handover
	if h.verb == Release {
		j := m.place(h.peer)
		if v := &t.claims[max(j, 0)]; j < 0 || v.Phase != Idle || v.Verb == Decline && v.About == h.number || q.reached(h.until) {
			*h = handover{decline: h.decline}
		}
		return
	}
	if !m.offerMayStand(q, h) {
		m.acceptOffers(q, t)
	}
	if offered := (offer{h.peer, h.number}); h.verb == Accept && (t.eligibility.level() == 0 || h.decline == offered) {
		h.verb, h.decline = Decline, offered
	}
}

// offerMayStand reports whether the offer that was answered is still to be answered so: the
// giver is heard, but its newest claims are not known whole. They may have the offer too, and
// an answer taken back and given again with each page would keep both from ever being whole.
func (m *Machine) offerMayStand(q *query, h *handover) bool {
	j := m.place(h.peer)
	return h.verb != Silent && j >= 0 && !m.peers[j].complete && m.alive(q, &m.peers[j])
}

// acceptOffers accepts an offer to this node.
func (m *Machine) acceptOffers(q *query, t *state) {
	h := &t.handover
	*h = handover{decline: h.decline}
	for j := range m.peers {
		p, v := &m.peers[j], &t.claims[j]
		if !p.complete || v.To != m.config.Self || v.Verb != Offer && v.Verb != Release || !m.alive(q, p) {
			continue
		}
		h.verb, h.peer, h.number, h.pinned = Accept, p.slot, v.About, v.Pinned
		h.cause = Priority
		if v.Pinned {
			h.cause = Operator
		}
	}
}
