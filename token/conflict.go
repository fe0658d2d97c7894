package token

import (
	"time"
)

// rival reports whether a peer that we hear claims to hold the token too. While the pages of
// its newest claims come in, it is as it last said.
func (m *Machine) rival(q *query, t *state) bool {
	for i := range m.peers {
		if p := &m.peers[i]; t.claims[i].holds() && m.present(q, t, p) {
			return true
		}
	}
	return false
}

// present reports whether the peer is heard, and not only until we took on its silence.
func (m *Machine) present(q *query, t *state, p *peer) bool {
	return m.alive(q, p) && (p.heard >= t.since || m.reportsOnTime(q, t, p))
}

// resolveConflict settles with every other holder that stays, and reports whether this node
// went. A node does not yield to a one-way message. One node decides, the lower slot, from a
// beat of the other that knows its claim; the other does as it is told.
func (m *Machine) resolveConflict(q *query, i int) (gone bool) {
	t := &m.tokens[i]
	for j := range m.peers {
		p, v := &m.peers[j], &t.claims[j]
		if !p.complete || v.Phase == Idle || !m.present(q, t, p) || !m.echoFresh(q, p) {
			continue
		}
		if v.Verb == Yield && v.To == m.config.Self && v.About == t.epoch || m.decidesConflict(t, j) && m.losesConflict(q, t, j) {
			m.drop(i, ConflictLost)
			return true
		}
		if m.decidesConflict(t, j) {
			t.yield = yield{peer: p.slot, epoch: v.Epoch}
		}
	}
	return false
}

// decidesConflict (rule M1) reports whether it is ours to settle with the peer, and it knows that
// we hold.
func (m *Machine) decidesConflict(t *state, j int) bool {
	p, v := &m.peers[j], &t.claims[j]
	return m.config.Self < p.slot && v.Phase != Dropping && (p.acked >= t.publishedAt || t.published.Verb == Yield)
}

// afterConflict (rule M3) is for a holder that hears no other holder any more: its epoch goes
// above the other one, and the neighbours hear where the resource is.
func (m *Machine) afterConflict(q *query, i int) {
	t := &m.tokens[i]
	if m.rival(q, t) {
		t.conflicted = true
		return
	}
	t.yield = yield{}
	switch {
	case t.phase == Holding && !t.writing && t.seen > t.epoch && m.epochs.left(q.now, t.seen) && m.gaveUp(q, t, Granter(t.seen)):
		m.grant(q.now, t)
		if t.durable() {
			m.persistRecord(i, m.recordWanted(t))
		}
		m.startLease(t, t.lease.limit)
		m.do(Announce{Token: i, Epoch: t.epoch})
	case t.conflicted && t.phase == Holding:
		m.do(Announce{Token: i, Epoch: t.epoch})
	}
	t.conflicted = false
}

// gaveUp reports whether the node that granted a higher epoch is heard and does not hold. A
// silent one may hold beyond a cut, where a race for the higher epoch, told across by a third
// node, would never end.
func (m *Machine) gaveUp(q *query, t *state, granter uint8) bool {
	j := m.place(granter)
	return j < 0 || m.alive(q, &m.peers[j]) && m.peers[j].complete && !t.claims[j].holds()
}

// losesConflict (rule M2) decides a conflict. The ineligible node loses. Else, with Auto
// Failback and unblocked moves, the lower rank loses; else the shorter unbroken tenure, so
// that a short cut does not move the token; else the later name.
func (m *Machine) losesConflict(q *query, t *state, j int) bool {
	p, v := &m.peers[j], &t.claims[j]
	mine, theirs := t.ownRank(), t.theirRank(j)
	if a, b := t.eligibility.level(), v.Reasons.level(); a != b {
		return a < b
	}
	if t.spec.Bits&AutoFailback != 0 && t.spec.FailbackDelay == 0 && !p.failbackBlocked && !t.pinned && !v.Pinned && m.belowFailbackCap(q, t) && mine.priority != theirs.priority {
		return mine.priority < theirs.priority
	}
	const alike = 2 * time.Millisecond // tenures travel in milliseconds
	own, other := t.tenure(q.now), v.Tenure+q.now.Sub(v.at)
	if (own - other).Abs() > alike {
		return own < other
	}
	return theirs.place < mine.place
}
