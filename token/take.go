package token

import (
	"time"

	"vipd/heartbeat/clock"
)

// The taker's half of the safety proof: a node takes a token when every other node permits
// it, by its own proven report that it does not hold, or by a silence of D, which outlasts
// any lease that its last message could have renewed.

// permission says whether one peer allows a take, and by which rule.
type permission uint8

const (
	denied   permission = iota
	byReport            // it reports, knowing our state, that it doesn't hold
	bySilence
)

// tryTake takes an idle token if every peer allows it.
func (m *Machine) tryTake(q *query, i int) {
	t := &m.tokens[i]
	if t.eligibility.level() == 0 || t.handover.verb == Release || m.config.Booting || t.writing {
		return
	}
	m.probeNetwork(q, t)
	cause, ok := m.takePermitted(q, t)
	if !ok {
		return
	}
	if m.leaseLimit(q, t) <= q.now {
		q.again = true // until an echo
		return
	}
	m.take(q, i, cause)
}

// take grants the next epoch and asks the effector to put the resource up, with
// the lease in force before.
func (m *Machine) take(q *query, i int, c Cause) {
	t := &m.tokens[i]
	t.from = Granter(t.seen)
	m.grant(q.now, t)
	t.phase, t.since, t.cause = Taking, q.now, c
	t.pinned = t.handover.verb == Accept && t.handover.pinned
	t.probing, t.proved, t.overrideUntil = probing{}, false, 0
	t.handover = handover{decline: t.handover.decline}
	m.startLease(t, m.leaseLimit(q, t))
	if t.durable() {
		m.persistRecord(i, m.recordWanted(t))
		return
	}
	m.do(Acquire{Token: i, Epoch: t.epoch, Cause: c, From: t.from})
}

// takePermitted asks every peer; the cause names the rule that decided.
func (m *Machine) takePermitted(q *query, t *state) (Cause, bool) {
	if t.bits&AllowMultiple != 0 {
		return Priority, true
	}
	cause, ok := Priority, true // no other node had it
	if t.handover.verb == Accept {
		cause = t.handover.cause
	}
	for i := range m.peers {
		if !t.counts(i) {
			continue
		}
		switch m.peerPermits(q, t, i) {
		case denied:
			ok = false // the others are looked at all the same: each may set the next check
		case bySilence:
			cause = PeerSilent
		case byReport:
			if cause == Priority && t.handover.verb != Accept && t.claims[i].Epoch == t.seen {
				cause = PeerResigned
			}
		}
	}
	return cause, ok
}

func (m *Machine) peerPermits(q *query, t *state, i int) permission {
	if m.reportsOnTime(q, t, &m.peers[i]) {
		return m.reportPermits(q, t, i)
	}
	return m.silencePermits(q, t, i)
}

// reportPermits (rules T2, T3) is for a peer that is heard. It must not hold, must not be the
// one to take, and must have said so knowing our newest state. Or it has been saying for W,
// while we were eligible, that it is not eligible and does not hold: it would wait W itself
// before it took on silence, and so do we, for both may become eligible at the same moment.
func (m *Machine) reportPermits(q *query, t *state, i int) permission {
	p, v := &m.peers[i], &t.claims[i]
	if !p.complete || v.holds() {
		return denied
	}
	if v.Verb == Release && v.To != m.config.Self || m.outranks(t, i) && !m.releasedToUs(q, t) {
		return denied
	}
	if m.echoFresh(q, p) && p.acked >= t.publishedAt && m.claim(t) == t.published {
		return byReport
	}
	if v.ineligibleSince != 0 && !t.durable() && m.current(q, p) && q.reached(max(v.ineligibleSince, t.eligibleSince).Add(m.config.Dead)) {
		return bySilence
	}
	return denied
}

// current reports whether the peer's claims are of now: heard within D, even if it announced
// an absence, and no newer session has spoken since.
func (m *Machine) current(q *query, p *peer) bool {
	return p.heard >= p.pendingSince() && !m.came(q, p, wordOld)
}

// releasedToUs reports whether a former holder says that the token is ours.
func (m *Machine) releasedToUs(q *query, t *state) bool {
	if t.handover.verb != Accept {
		return false
	}
	j := m.place(t.handover.peer)
	return j >= 0 && m.peers[j].complete && t.claims[j].Verb == Release && t.claims[j].To == m.config.Self && m.alive(q, &m.peers[j])
}

// silencePermits (rule T4) is for a peer that was silent for W, and for longer if its last
// message makes it likely that it is about to take the token itself. A node that has just
// become eligible waits W, for until then it bound no peer's lease. So does a node that had
// not heard any peer: the fault may have been its own.
func (m *Machine) silencePermits(q *query, t *state, i int) permission {
	if t.durable() && q.reached(t.overrideUntil) {
		return denied
	}
	at := m.silenceDeadline(t, i)
	if m.needsProbe(t, i) {
		return m.probePermits(q, t, i, at)
	}
	if q.reached(at) {
		return bySilence
	}
	return denied
}

// silenceDeadline is from when on the peer's silence allows a take.
func (m *Machine) silenceDeadline(t *state, i int) clock.Instant {
	p, v := &m.peers[i], &t.claims[i]
	wait := max(m.config.Dead, p.dead) + t.spec.Linger
	if t.durable() {
		wait = max(wait, ForceAfter)
	}
	if p.heardEver && p.complete && !v.holds() && v.Reasons.level() > 0 {
		wait += m.skewTime(t, i)
	}
	return max(p.silentAt(t.spec.StopBeforeRelease, wait), p.pendingSince().Add(wait), m.rejoined.Add(m.config.Dead), t.eligibleSince.Add(m.config.Dead))
}

// ForceAfter is the silence after which an operator may have a token taken that no node takes
// on silence. A recorded holder that was away for less than four fifths of it goes on at once
// when it starts again: no node can have been ordered to take meanwhile.
const ForceAfter = 5 * time.Second

// overrideFor is how long an operator's override of silent nodes holds: for the waits of a
// take, not for the next silence.
const overrideFor = 10 * time.Second

// skewTime is how much longer a node waits for a peer that fell silent without
// holding: it may be taking on our last message.
func (m *Machine) skewTime(t *state, i int) (d time.Duration) {
	if m.outranks(t, i) {
		d += 2 * m.config.Interval
	}
	if t.previousHolder {
		d += 5 * m.config.Interval
	}
	return d
}

// outranks reports whether the peer comes before us: eligible first, then
// priority, then name.
func (m *Machine) outranks(t *state, i int) bool {
	if a, b := t.claims[i].Reasons.level(), t.eligibility.level(); a != b {
		return a > b
	}
	return m.precedes(t, i)
}

// precedes orders by priority and name, which both nodes know of each other without a message.
func (m *Machine) precedes(t *state, i int) bool {
	return t.theirRank(i).before(t.ownRank())
}
