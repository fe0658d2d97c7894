package token

import (
	"time"

	"vipd/heartbeat/clock"
)

// peer is the knowledge of another node.
type peer struct {
	slot            uint8
	place           int           // among the peers
	heard           clock.Instant // newest fresh message, or the start of listening
	unsolicited     clock.Instant // the same, of those that were no answers: its lease counts from no other
	heardEver       bool          // heard since then
	pending         clock.Instant // a session that has not proved itself, but may be its present one, was heard then
	unread          clock.Instant // messages may wait unread since
	arrived         clock.Instant // when the newest fresh message reached this host
	absence         time.Duration
	dead            time.Duration // its own dead time: it may rely on a longer one than ours
	began           clock.Instant // its session, as far as we know
	proof           clock.Instant // the same, by a message that its present claims go with
	acked           uint32        // revision of ours that it knew when it said its present claims
	complete        bool          // its claims are those it has now
	failbackBlocked bool          // no automatic move to it
	leased          bool          // its kernel silences its resources when its daemon dies
	renews          clock.Instant // newest answer of its kernel to an ask sent after W: its daemon lives
	link            link
}

// peerClaim is a peer's claim of one token, and the times that the rules count from it.
type peerClaim struct {
	Claim
	refused         uint64        // an epoch of its that can't be true
	told            bool          // it has said this of the token in this run of ours
	relied          bool          // it has promised, knowing that we count on it, to take on no silence
	at              clock.Instant // it came
	eligibleSince   clock.Instant // eligible without a break since, 0 if not
	ineligibleSince clock.Instant // ineligible and not holding without a break since, 0 if not
	grace           clock.Instant // an adopted lease stands until here
}

func (m *Machine) addPeer(slot uint8, now clock.Instant) {
	if slot != m.config.Self && m.peer(slot) == nil {
		m.peers = append(m.peers, peer{slot: slot, place: len(m.peers), heard: now, unsolicited: now, began: now})
	}
}

func (m *Machine) peer(slot uint8) *peer {
	if i := m.place(slot); i >= 0 {
		return &m.peers[i]
	}
	return nil
}

func (m *Machine) place(slot uint8) int {
	for i := range m.peers {
		if m.peers[i].slot == slot {
			return i
		}
	}
	return -1
}

// applyReport takes a peer's report.
func (m *Machine) applyReport(q *query, w Report) {
	i := m.place(w.Peer)
	if i < 0 {
		return
	}
	p := &m.peers[i]
	if m.forwardingSince == 0 {
		m.forwardingSince = q.now
	}
	if w.NewSession {
		m.allDue()
		p.link.boundUntil = p.link.bound(q.now, m.config.Lease)
		m.newSession(q.now, p, i)
	}
	p.link.echoed(w.Echoed, m.config.Lease)
	if !w.Fresh {
		return
	}
	back := p.link.resume(q.now, w.Silence > m.config.Dead, m.config.Lease)
	m.markHeard(q.now, p, i, w)
	if w.Changed {
		p.proof, p.acked = 0, 0
		for j := range m.tokens {
			m.applyClaim(q.now, j, i, w.Claims[j])
		}
	}
	p.complete = w.Complete && (p.complete || w.Changed)
	if proof := max(w.Echoed, w.Proof); w.Complete && proof != 0 {
		p.proof, p.acked = proof, max(p.acked, w.AckedRevision)
	}
	if back || w.NewSession {
		m.reannounce(i)
	}
}

// reannounce tells the neighbours anew where the held tokens are: after a silence the peer may
// have announced them too. If the peer holds as well, the winner announces after the conflict.
func (m *Machine) reannounce(peer int) {
	for i := range m.tokens {
		if t := &m.tokens[i]; t.phase == Holding && !t.waitsForReport(peer) && !(m.peers[peer].complete && t.claims[peer].holds()) {
			m.do(Announce{Token: i, Epoch: t.epoch})
		}
	}
}

// markHeard notes that the peer is alive.
func (m *Machine) markHeard(now clock.Instant, p *peer, i int, w Report) {
	if !p.heardEver || now.Sub(p.heard) > m.config.Dead+p.absence {
		if p.heardEver && !m.anyPeerHeard(now) {
			m.rejoined = now
		}
		p.link.back = now
		for j := range m.tokens {
			m.tokens[j].claims[i].restart(now)
		}
	}
	p.heard, p.arrived, p.absence, p.dead, p.heardEver = now, now.Add(-w.Waited), w.Absence, w.Dead, true
	p.leased, p.renews = w.Leased, 0
	if w.Unsolicited {
		p.unsolicited = now
	}
}

// newSession forgets the claims of the peer's earlier session.
func (m *Machine) newSession(now clock.Instant, p *peer, i int) {
	p.began = now
	p.link.echo, p.proof, p.acked, p.complete = 0, 0, 0, false
	for j := range m.tokens {
		t := &m.tokens[j]
		old := &t.claims[i]
		fresh := peerClaim{grace: old.grace, told: old.told, relied: old.relied}
		fresh.Bits, fresh.Priority = old.Bits, old.Priority // it applies them until it says otherwise
		t.claims[i] = fresh
		if t.handover.peer == p.slot {
			t.handover = handover{decline: t.handover.decline}
		}
		if t.handover.decline.peer == p.slot {
			t.handover.decline = offer{}
		}
	}
}

// anyPeerHeard reports whether any peer was heard within D.
func (m *Machine) anyPeerHeard(now clock.Instant) bool {
	for i := range m.peers {
		if m.heardNow(now, &m.peers[i]) {
			return true
		}
	}
	return false
}

// restart lets eligibility count from now: the peer was silent, and may have changed
// meanwhile.
func (v *peerClaim) restart(now clock.Instant) {
	if v.eligibleSince != 0 {
		v.eligibleSince = now
	}
	if v.ineligibleSince != 0 {
		v.ineligibleSince = now
	}
}

// applyClaim takes a peer's claim of the token, which is due if that says something new.
func (m *Machine) applyClaim(now clock.Instant, j, i int, c Claim) {
	t := &m.tokens[j]
	v, seen := t.claims[i], t.seen
	t.storeClaim(now, i, c)
	m.witness(now, t, i)
	v.Tenure = c.Tenure // it grows by itself
	if v.Claim != c || !v.told || t.seen != seen {
		m.due(j)
	}
}

// storeClaim takes a peer's claim of the token.
func (t *state) storeClaim(now clock.Instant, i int, c Claim) {
	v := &t.claims[i]
	v.Claim, v.at, v.told = c, now, true
	v.eligibleSince = keepSince(v.eligibleSince, now, c.Reasons.level() == 2)
	v.ineligibleSince = keepSince(v.ineligibleSince, now, c.Reasons.level() == 0 && !c.holds())
}

func keepSince(since, now clock.Instant, holds bool) clock.Instant {
	switch {
	case !holds:
		return 0
	case since == 0:
		return now
	}
	return since
}

// silentAt is when the peer, if no more messages come, has been silent for d as far as the
// token goes. Replies are not echoed, so no lease of the peer counts from them, and they do
// not count here either. They do count for resources that are slow to start and stop: those
// are not taken during a cut that is shorter than d.
func (p *peer) silentAt(orderly bool, d time.Duration) clock.Instant {
	if orderly {
		return p.heard.Add(p.absence + d)
	}
	return p.unsolicited.Add(p.absence + d)
}

// alive reports whether the peer was heard within D.
func (m *Machine) alive(q *query, p *peer) bool {
	return p.heardEver && !m.came(q, p, notAlive)
}

// reportsOnTime reports whether the peer's silence is shorter than D as far as the token goes.
func (m *Machine) reportsOnTime(q *query, t *state, p *peer) bool {
	return p.heardEver && !m.came(q, p, t.ofSilence(silent, silentOrderly))
}

// echoFresh reports whether the peer's claims came with a fresh echo of ours.
func (m *Machine) echoFresh(q *query, p *peer) bool {
	return p.complete && p.proof != 0 && !m.came(q, p, proofOld)
}

// oneWay reports whether a peer, eligible or holding, still spoke to us when it had not heard
// us for a dead time. Others can't rely on us then. With Disable Inheritance this does not
// matter. A peer that has fallen silent since is dead rather than deaf.
func (m *Machine) oneWay(q *query, t *state) bool {
	if t.bits&AllowMultiple != 0 {
		return false
	}
	for i := range m.peers {
		p, v := &m.peers[i], &t.claims[i]
		if t.waitsForReport(i) || !m.alive(q, p) || v.ineligibleSince != 0 || t.phase == Holding && m.deafRival(q, t, i) {
			continue
		}
		if m.deaf(p) {
			return true
		}
	}
	return false
}

// deaf reports whether the peer still spoke to us when it had not heard us for D.
func (m *Machine) deaf(p *peer) bool {
	return p.heard.Sub(max(p.link.back, p.link.echo)) > m.config.Dead
}

// endListening (rule T7) ends the node's listening: when a peer is known both ways, or a link has
// forwarded for W with no peer there, or after StartWait.
func (m *Machine) endListening(q *query) {
	if !m.listens {
		return
	}
	heard, ready := false, true
	for i := range m.peers {
		if p := &m.peers[i]; m.alive(q, p) {
			heard = true
			ready = ready && m.echoFresh(q, p)
		}
	}
	from := m.start.Add(m.config.StartWait)
	if m.forwardingSince != 0 {
		from = m.forwardingSince
	}
	m.listens = !(heard && ready || q.reached(from.Add(m.config.Dead)))
}

// restartAfterFreeze starts over as at boot: the peers have not heard this node for longer
// than D.
func (m *Machine) restartAfterFreeze(now clock.Instant) {
	m.listens, m.start, m.forwardingSince = true, now, 0
	for i := range m.peers {
		p := &m.peers[i]
		away := max(p.heard.Add(p.absence).Sub(now), 0) // the rest of an announced absence
		*p = peer{slot: p.slot, place: p.place, heard: now, unsolicited: now, absence: away, failbackBlocked: p.failbackBlocked}
		m.newSession(now, p, i)
	}
	for i := range m.tokens {
		if t := &m.tokens[i]; !t.allWaitForReport() && (t.phase == Taking || t.phase == Holding) {
			m.drop(i, SelfStalled)
		}
	}
}
