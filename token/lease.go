package token

import (
	"time"

	"vipd/heartbeat/clock"
)

// The holder's half of the safety proof. Each peer lets the token live until L
// after the newest of our sends that it has echoed, for it may take D = 1.25 L
// after the newest that it heard. A peer that can't take binds nothing: one
// that is silent both ways, and one that says it is unfit.

// peerLimit returns until when the peer lets the token live; Never if it binds
// nothing now.
func (m *Machine) peerLimit(q *query, t *state, i int) clock.Instant {
	p, v := &m.peers[i], &t.claims[i]
	if p.link.silent {
		return clock.Never
	}
	return max(p.link.boundUntil, v.grace, m.ineligibleLimit(p, v), m.deafLimit(q, t, i))
}

// ineligibleLimit (rule H3) is until when a peer that last said that it neither holds nor can lets
// the token live: it would wait W after it has become fit, so its word is good for an
// interval and a half after it reached this host.
func (m *Machine) ineligibleLimit(p *peer, v *peerClaim) clock.Instant {
	if !p.complete || v.ineligibleSince == 0 {
		return 0
	}
	return p.arrived.Add(m.config.Interval * 3 / 2)
}

// deafLimit (rule H7) is until when a rival that does not hear us lets the token live.
func (m *Machine) deafLimit(q *query, t *state, i int) clock.Instant {
	if !m.deafRival(q, t, i) {
		return 0
	}
	return m.peers[i].link.separatedUntil.Add(aloneEvery + probeTrip)
}

// deafRival reports whether the peer holds the address too, beyond a cut that has
// healed in its direction alone. Both hold already, so that there is nothing to lose
// by going on a little; who went at once would leave clients behind that the peer,
// knowing nothing of it, tells only once a second where the address is.
func (m *Machine) deafRival(q *query, t *state, i int) bool {
	p, v := &m.peers[i], &t.claims[i]
	return t.spec.Probeable && p.complete && v.holds() && p.echoMissing() && !q.reached(p.link.separatedUntil.Add(aloneEvery+probeTrip))
}

// echoLimit is pairLimit for a lease that has run out: only an echo, or the word
// of a peer that can't take, brings it back.
func (m *Machine) echoLimit(t *state, i int) clock.Instant {
	p := &m.peers[i]
	return max(p.link.echo.Add(m.config.Lease), m.ineligibleLimit(p, &t.claims[i]))
}

// leaseLimit returns until when the token may be held without news.
func (m *Machine) leaseLimit(q *query, t *state) clock.Instant {
	limit := clock.Never
	if t.bits&AllowMultiple != 0 {
		return limit
	}
	for i := range m.peers {
		switch {
		case !t.counts(i) || t.waitsForReport(i):
		case t.lease.state == expired:
			limit = clock.Min(limit, m.echoLimit(t, i))
		default:
			limit = clock.Min(limit, m.peerLimit(q, t, i))
		}
	}
	return limit
}

// lease is a token's lease as the rules see it; Term is what the thread that beats makes
// of it.
//
//	       start              runs out, or a send too late
//	over ────────► running ───────────────────────────────► muted
//	 ▲              │   ▲                                      │
//	 │     end      │   └───────── revive: an echo ────────────┤
//	 └──────────────┴──────── too long, or a rival: end ───────┘
type lease struct {
	state     leasePhase
	limit     clock.Instant // as last told, 0 if over
	keptUntil clock.Instant // muted: the token is kept until here
}

// leasePhase names how a lease is.
type leasePhase uint8

const (
	noLease leasePhase = iota // there is none: the resource goes down, or is not up
	running                   // the resource answers
	expired                   // the kernel has silenced the resource; the token is kept, for an echo may bring it back
)

// startLease begins a lease, or lets it begin anew for another grant.
func (m *Machine) startLease(t *state, limit clock.Instant) {
	t.lease = lease{state: running, limit: limit}
	m.do(Lease{Token: t.number, Limit: limit, Epoch: t.epoch})
}

// adoptLease (rule H10) begins the lease of what an earlier run left up. It stands towards every peer.
func (m *Machine) adoptLease(t *state, limit clock.Instant) {
	for i := range t.claims {
		t.claims[i].grace = limit
	}
	m.startLease(t, limit)
}

// extendLease moves the limit of a lease, which stays what it is.
func (m *Machine) extendLease(t *state, limit clock.Instant) {
	if limit != t.lease.limit {
		t.lease.limit = limit
		m.do(Lease{Token: t.number, Limit: limit, Epoch: t.epoch})
	}
}

// expire is for a running lease that has run out: the token is kept until the instant.
func (l *lease) expire(until clock.Instant) {
	if l.state == running {
		l.state, l.keptUntil = expired, until
	}
}

// reviveLease has a muted lease run again: an echo, or the word of a peer that can't take, says
// that no peer has taken.
func (m *Machine) reviveLease(t *state, limit clock.Instant) {
	t.lease = lease{state: running, limit: limit}
	m.do(Lease{Token: t.number, Limit: limit, Epoch: t.epoch, Again: true})
}

// endLease ends the lease: from now on the resource may live nowhere here.
func (m *Machine) endLease(t *state) {
	t.lease = lease{}
	m.do(Lease{Token: t.number})
}

// renewLease brings the lease of a token that is held to what the peers let it be. One
// that ran out while this node did not look is muted first, whatever else is so.
func (m *Machine) renewLease(q *query, t *state) leasePhase {
	if q.now >= t.lease.limit {
		t.lease.expire(t.lease.limit.Add((m.config.Dead - m.config.Lease) / 2))
	}
	limit := m.leaseLimit(q, t)
	switch {
	case q.expired(limit) || t.lease.state == expired && m.rival(q, t):
		return m.keepExpired(q, t, limit)
	case t.lease.state == expired:
		m.reviveLease(t, limit)
	default:
		m.extendLease(t, limit)
	}
	return running
}

// expired (rule H5) is for a lease that ran out because this node was late with its sends. A
// token that nobody takes on silence is held on; of another, peers may think what
// they do when its lease lapses.
func (m *Machine) expired(now clock.Instant, e Expired) {
	switch t := &m.tokens[e.Token]; {
	case t.epoch != e.Epoch || t.lease.state == expired:
	case t.phase == Holding:
		t.lease.expire(now.Add(m.config.Interval))
	case t.phase == Taking:
		m.drop(e.Token, LeaseExpired)
	}
}

// keepExpired (rules H4, H6) is for a lease that has just gone back into the past, as the first word of
// a peer ended what was renewed alone, or that ran out. The kernel is told, but the token
// is kept for an interval: as a rule the peer has not taken it, and its next echo
// says so; or it has just taken, and the meeting says who goes. So a cut of about
// D moves nothing. One that ran out as it was, since the first echo after a cut or a
// freeze came too late for it, is kept until halfway to the instant at which the peer
// may take: there the hands remove it in time also where no kernel is told.
func (m *Machine) keepExpired(q *query, t *state, limit clock.Instant) leasePhase {
	t.lease.expire(q.now.Add(m.config.Interval))
	if limit < t.lease.limit && q.now < t.lease.limit { // one that ran out has ended already, and no earlier
		m.extendLease(t, limit)
	}
	if t.phase != Holding || q.reached(t.lease.keptUntil) && !m.rivalLeaves(q, t) {
		return noLease
	}
	return expired
}

// rivalLeaves reports whether a peer that took the token meanwhile removes its resource
// again, having lost the conflict. The removal may take longer than an interval; a holder
// that did not wait for its end would leave the token to be taken anew. It waits for D at
// most.
func (m *Machine) rivalLeaves(q *query, t *state) bool {
	if q.reached(t.lease.keptUntil.Add(m.config.Dead)) {
		return false
	}
	for i := range m.peers {
		if p := &m.peers[i]; p.complete && t.claims[i].Phase == Dropping && m.present(q, t, p) {
			return true
		}
	}
	return false
}

// Alone, the neighbours are told once a second for a minute: a peer beyond the
// cut may be telling them otherwise.
const (
	aloneEvery = time.Second
	aloneFor   = time.Minute
)

// announceAlone announces while a peer is silent, be it one that this run has never heard: it may
// hold too, beyond a cut.
func (m *Machine) announceAlone(q *query, i int) {
	t := &m.tokens[i]
	alone := false
	for j := range m.peers {
		alone = alone || m.peers[j].link.silent && !t.waitsForReport(j)
	}
	switch {
	case !alone:
		t.alone = 0
		return
	case t.alone == 0:
		t.alone, t.announce = q.now, q.now.Add(aloneEvery)
	}
	if q.now.Sub(t.alone) < aloneFor && q.reached(t.announce) {
		t.announce = q.now.Add(aloneEvery)
		q.check(t.announce)
		m.do(Announce{Token: i, Epoch: t.epoch})
	}
}
