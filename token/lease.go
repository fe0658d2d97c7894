package token

import (
	"time"

	"vipd/heartbeat/clock"
)

// The holder's half of the safety proof. Each peer lets the token live until L
// after the newest of our sends that it has echoed, for it may take D = 1.25 L
// after the newest that it heard. Two kinds of peers bind no lease, for they can't take: a
// peer that is silent both ways, and a peer that says it is not eligible.

// peerLimit returns until when the peer lets the token live; Never if it does not bind the
// lease now.
func (m *Machine) peerLimit(q *query, t *state, i int) clock.Instant {
	p, v := &m.peers[i], &t.claims[i]
	if p.link.silent {
		return clock.Never
	}
	return max(p.link.boundUntil, v.grace, m.ineligibleLimit(p, v), m.deafLimit(q, t, i))
}

// ineligibleLimit (rule H3) is until when a peer lets the token live whose last message says
// that it neither holds nor can take. It would wait W after it has become eligible, so its
// message is good for an interval and a half after it reached this host.
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

// deafRival (rule H7) reports whether the peer holds the address too, beyond a cut that has
// healed in its direction alone. Both nodes hold already, so that going on a little does no
// harm. A node that dropped at once would leave clients without service: the peer, which does
// not know of the drop, announces only once a second.
func (m *Machine) deafRival(q *query, t *state, i int) bool {
	p, v := &m.peers[i], &t.claims[i]
	return t.spec.Probeable && p.complete && v.holds() && p.echoMissing() && !q.reached(p.link.separatedUntil.Add(aloneEvery+probeTrip))
}

// echoLimit is peerLimit for a lease that has run out: only an echo, or the report
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

// lease is the lease of a token as the rules see it. The thread that sends keeps a LeaseState.
type lease struct {
	state     leasePhase
	limit     clock.Instant // as last told, 0 if over
	keptUntil clock.Instant // expired: the token is kept until here
}

// leasePhase names how a lease is.
type leasePhase uint8

const (
	noLease leasePhase = iota // there is none: the resource goes down, or is not up
	running                   // the resource answers
	expired                   // the kernel has silenced the resource; the token is kept, for an echo may revive the lease
)

// startLease begins a lease, or lets it begin anew for another grant.
func (m *Machine) startLease(t *state, limit clock.Instant) {
	t.lease = lease{state: running, limit: limit}
	m.do(Lease{Token: t.number, Limit: limit, Epoch: t.epoch})
}

// adoptLease (rule H10) begins the lease of a resource that an earlier run left up. It binds
// every peer.
func (m *Machine) adoptLease(t *state, limit clock.Instant) {
	for i := range t.claims {
		t.claims[i].grace = limit
	}
	m.startLease(t, limit)
}

// extendLease moves the limit of a lease and keeps its phase.
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

// reviveLease lets an expired lease run again. An echo, or the claim of a peer that can't
// take, has shown that no peer has taken.
func (m *Machine) reviveLease(t *state, limit clock.Instant) {
	t.lease = lease{state: running, limit: limit}
	m.do(Lease{Token: t.number, Limit: limit, Epoch: t.epoch, Again: true})
}

// endLease ends the lease: from now on the resource must not live on this host.
func (m *Machine) endLease(t *state) {
	t.lease = lease{}
	m.do(Lease{Token: t.number})
}

// renewLease sets the lease of a held token to the limit that the peers allow. A lease that
// ran out between two steps expires first, before any other rule is asked.
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
// token that no node takes on silence stays held. For any other token, peers may believe that
// it has lapsed, so the rules of an expired lease apply.
func (m *Machine) expired(now clock.Instant, e Expired) {
	switch t := &m.tokens[e.Token]; {
	case t.epoch != e.Epoch || t.lease.state == expired:
	case t.phase == Holding:
		t.lease.expire(now.Add(m.config.Interval))
	case t.phase == Taking:
		m.drop(e.Token, LeaseExpired)
	}
}

// keepExpired (rules H4, H6) is for a lease that the first message of a peer has ended, or
// that ran out. The kernel is told, but the node keeps the token for an interval. As a rule
// the peer has not taken it, and its next echo shows that; or it has just taken, and the
// conflict decides. So a cut of about D does not move the token.
//
// A lease that ran out by itself, as the first echo after a cut or a freeze came too late for
// it, is kept until halfway to the instant at which the peer may take. There the effector
// removes the resource in time also where no kernel enforces the lease.
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

// leavingFor is how long a holder waits for the removal: less than the second after which
// the processes of a group are killed whose lease has ended.
const leavingFor = 500 * time.Millisecond

// rivalLeaves reports whether a peer that took the token meanwhile removes its resource
// again, having lost the conflict. The removal may take longer than an interval; a holder
// that did not wait for its end would leave the token to be taken anew.
func (m *Machine) rivalLeaves(q *query, t *state) bool {
	if q.reached(t.lease.keptUntil.Add(leavingFor)) {
		return false
	}
	for i := range m.peers {
		if p := &m.peers[i]; p.complete && t.claims[i].Phase == Dropping && m.present(q, t, p) {
			return true
		}
	}
	return false
}

// A holder beside a silent peer tells the neighbours once a second for a minute: the peer may
// announce the address too, beyond a cut.
const (
	aloneEvery = time.Second
	aloneFor   = time.Minute
)

// announceAlone announces while a peer is silent, also a peer that this run has never heard:
// it may hold too, beyond a cut.
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
