package token

import (
	"time"

	"vipd/heartbeat/clock"
)

// The taker's half of the safety proof: a node takes a token when every other
// node is cleared, on that node's own proven word that it does not hold, or by
// a silence of D, which outlasts any lease that the last word heard could have
// renewed.

// clearance is what one peer allows.
type clearance uint8

const (
	blocked clearance = iota
	byWord            // it said, knowing our state, that it doesn't hold
	bySilence
)

// consider takes an idle token if every peer allows it.
func (m *Machine) consider(q *query, i int) {
	t := &m.tokens[i]
	if t.fitness.level() == 0 || t.handover.verb == Release || m.config.Booting || t.writing {
		return
	}
	m.askNetwork(q, t)
	cause, ok := m.cleared(q, t)
	if !ok {
		return
	}
	if m.leaseLimit(q, t) <= q.now {
		q.again = true // until an echo
		return
	}
	m.take(q, i, cause)
}

// take grants the next epoch and asks the hands to put the resource up, with
// the lease in force before.
func (m *Machine) take(q *query, i int, c Cause) {
	t := &m.tokens[i]
	t.from = Granter(t.seen)
	m.grant(q.now, t)
	t.phase, t.since, t.cause = Taking, q.now, c
	t.pinned = t.handover.verb == Accept && t.handover.pinned
	t.gate, t.proved, t.vouched = gate{}, false, 0
	t.handover = handover{decline: t.handover.decline}
	m.startLease(t, m.leaseLimit(q, t))
	if t.lasting() {
		m.keepRecord(i, m.wanted(t))
		return
	}
	m.do(Acquire{Token: i, Epoch: t.epoch, Cause: c, From: t.from})
}

// cleared asks every peer; the cause says what decided.
func (m *Machine) cleared(q *query, t *state) (Cause, bool) {
	if t.bits&AllowMultiple != 0 {
		return Priority, true
	}
	cause, ok := Priority, true // nobody had it, or we did
	if t.handover.verb == Accept {
		cause = t.handover.cause
	}
	for i := range m.peers {
		if !t.counts(i) {
			continue
		}
		switch m.clears(q, t, i) {
		case blocked:
			ok = false // the others are looked at all the same: each may set the next check
		case bySilence:
			cause = PeerSilent
		case byWord:
			if cause == Priority && t.handover.verb != Accept && t.views[i].Epoch == t.seen {
				cause = PeerResigned
			}
		}
	}
	return cause, ok
}

func (m *Machine) clears(q *query, t *state, i int) clearance {
	if m.speaks(q, t, &m.peers[i]) {
		return m.clearsByWord(q, t, i)
	}
	return m.clearsBySilence(q, t, i)
}

// clearsByWord (rules T2, T3): the peer is heard. It must not hold, must not be the one to
// take, and must have said so knowing our own newest state; or it has been
// saying for W, while we were fit, that it is unfit and holds nothing: it would
// wait W itself before it took on silence, and so do we, for both may become
// fit at the same moment.
func (m *Machine) clearsByWord(q *query, t *state, i int) clearance {
	p, v := &m.peers[i], &t.views[i]
	if !p.known || v.holds() {
		return blocked
	}
	if v.Verb == Release && v.To != m.config.Self || m.outranks(t, i) && !m.given(q, t) {
		return blocked
	}
	if m.proven(q, p) && p.knows >= t.changed && m.claim(t) == t.said {
		return byWord
	}
	if v.unfitAt != 0 && !t.lasting() && m.current(q, p) && q.reached(max(v.unfitAt, t.fitAt).Add(m.config.Dead)) {
		return bySilence
	}
	return blocked
}

// current reports whether the peer's claims are of now: heard within D, whatever
// absence it announced, and no newer session has spoken since.
func (m *Machine) current(q *query, p *peer) bool {
	return p.heard >= p.unproved() && !m.came(q, p, wordOld)
}

// given reports whether a former holder says that the token is ours.
func (m *Machine) given(q *query, t *state) bool {
	if t.handover.verb != Accept {
		return false
	}
	j := m.place(t.handover.peer)
	return j >= 0 && m.peers[j].known && t.views[j].Verb == Release && t.views[j].To == m.config.Self && m.alive(q, &m.peers[j])
}

// clearsBySilence (rule T4): nothing was heard for W, and for longer where the last word
// makes it likely that the peer is about to take the token itself. A node that
// has just become fit waits W, for until then it bound nobody's lease; and so
// does one that had heard nobody: the silence of the others may have been
// its own.
func (m *Machine) clearsBySilence(q *query, t *state, i int) clearance {
	if t.lasting() && q.reached(t.vouched) {
		return blocked
	}
	at := m.silenceCounts(t, i)
	if m.gated(t, i) {
		return m.gateClears(q, t, i, at)
	}
	if q.reached(at) {
		return bySilence
	}
	return blocked
}

// silenceCounts is from when on the peer's silence allows a take.
func (m *Machine) silenceCounts(t *state, i int) clock.Instant {
	p, v := &m.peers[i], &t.views[i]
	wait := max(m.config.Dead, p.dead) + t.spec.Linger
	if t.lasting() {
		wait = max(wait, ForceAfter)
	}
	if p.ever && p.known && !v.holds() && v.Reasons.level() > 0 {
		wait += m.courtesy(t, i)
	}
	return max(p.silentAt(t.spec.Orderly, wait), p.unproved().Add(wait), m.rejoined.Add(m.config.Dead), t.fitAt.Add(m.config.Dead))
}

// ForceAfter is the silence after which a token that nobody takes on silence is taken by
// an operator's word. A recorded holder that was away for less than four fifths of it goes
// on at once when it starts again: nobody can have been ordered to take meanwhile.
const ForceAfter = 5 * time.Second

// vouchFor is how long an operator's word about silent nodes holds: for the waits of
// a take, not for the next silence.
const vouchFor = 10 * time.Second

// courtesy is how much longer a node waits for a peer that fell silent without
// holding: it may be taking on our last word.
func (m *Machine) courtesy(t *state, i int) (d time.Duration) {
	if m.outranks(t, i) {
		d += 2 * m.config.Interval
	}
	if t.held {
		d += 5 * m.config.Interval
	}
	return d
}

// outranks reports whether the peer comes before us: eligible first, then
// priority, then name.
func (m *Machine) outranks(t *state, i int) bool {
	if a, b := t.views[i].Reasons.level(), t.fitness.level(); a != b {
		return a > b
	}
	return m.precedes(t, i)
}

// precedes orders by what both nodes know of each other without a word: the
// priority and the name.
func (m *Machine) precedes(t *state, i int) bool {
	return t.theirRank(i).before(t.ownRank())
}
