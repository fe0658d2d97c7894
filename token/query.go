package token

import "vipd/heartbeat/clock"

// query is one look at the rules at one instant. A question takes it and leaves the machine as
// it is. Beside its answer it leaves the next check here: the instant from which on the answer
// may differ although no event has come.
type query struct {
	now     clock.Instant
	next    clock.Instant // the next check
	lease   clock.Instant // the end of the token's lease, which other tokens may share
	moments []uint8       // of each peer, one bit for each that an answer rests on; nil: they are instants like others
	again   bool          // an answer rests on more than is noticed: the token is due in the next step
}

// queryAt returns a look at now, before the first question.
func queryAt(now clock.Instant) query {
	return query{now: now, next: clock.Never, lease: clock.Never}
}

// reached reports whether the instant is past; if not, the next check is due then.
func (q *query) reached(at clock.Instant) bool {
	if q.now >= at {
		return true
	}
	q.check(at)
	return false
}

// check has the next check be no later than the instant.
func (q *query) check(at clock.Instant) { q.next = clock.Min(q.next, at) }

// expired is reached for the end of the token's lease: where many tokens share it, one
// check is due for all.
func (q *query) expired(limit clock.Instant) bool {
	if q.now < limit {
		q.lease = limit
	}
	return q.now >= limit
}

// moment names an instant that every message of a peer moves, and that rules of many tokens
// ask for. So their deadlines need no new question when it moves.
type moment uint8

// The moments.
const (
	notAlive      moment = iota // not heard for D
	silent                      // has sent no beat or query for D
	silentOrderly               // the same, for resources that stop before their release
	early                       // the network is to be asked, for W is near
	earlyOrderly
	proofOld // has not echoed with its present claims for longer than D
	wordOld  // not heard for longer than D, even if it announced an absence
	moments
)

// at returns when the peer's moment comes if no more messages come.
func (m *Machine) at(p *peer, k moment) clock.Instant {
	switch k {
	case notAlive:
		return p.heard.Add(p.absence + m.config.Dead)
	case silent, silentOrderly:
		return p.silentAt(k == silentOrderly, m.config.Dead)
	case proofOld:
		return p.proof.Add(m.config.Dead + 1)
	case wordOld:
		return p.heard.Add(m.config.Dead + 1)
	}
	return p.silentAt(k == earlyOrderly, max(m.config.Dead, p.dead)).Add(-m.probeLead())
}

// came is reached for a moment of a peer: where tokens are decided, one check is due for
// all that rest on it.
func (m *Machine) came(q *query, p *peer, k moment) bool {
	if q.moments == nil {
		return q.reached(m.at(p, k))
	}
	if q.now >= m.at(p, k) {
		return true
	}
	q.moments[p.place] |= 1 << k
	return false
}

// countMoments counts the moments that the rules of the token have asked for.
func (m *Machine) countMoments(t *state) {
	for i, asks := range m.schedule.asks {
		if changed := asks ^ t.asks[i]; changed != 0 {
			for k := range moments {
				if changed>>k&1 != 0 {
					m.schedule.asked[i][k] += int(asks>>k&1)*2 - 1
				}
			}
			t.asks[i] = asks
		}
		m.schedule.asks[i] = 0
	}
}

// ofSilence is one of two moments, by how the token goes down.
func (t *state) ofSilence(usual, orderly moment) moment {
	if t.spec.StopBeforeRelease {
		return orderly
	}
	return usual
}
