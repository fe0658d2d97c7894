package token

import (
	"time"

	"vipd/heartbeat/clock"
)

// The address probe (rule T5): before a node takes an address on silence it asks the network that
// the clients are on. If the peer's kernel still answers after every lease has
// ended, the peer's daemon lives and renews, and only the heartbeats are lost.
//
//	last beat      D/2              L     W
//	───┼────────────┼───────────────┼──┼──┼──┼──┼──────┼──►
//	                every D/20      8, every 2 ms    + an answer's time
//	                none answered (≥ 8): take at W
//	                answered: by a lease that lasts; the 8 after the last answer decide
//
// Eight in a row without an answer show that the lease has run out, and a send does not
// renew an expired lease (LeaseState).
//
// An answer is a hint, not a proof: a switch may answer in a dead host's place, and any
// host may claim to be the peer. A peer that lives and is on the same network proves
// itself by its heartbeats, which go over that network too while it is in trouble. So an
// answer blocks a take for UnprovedFor at most.

// UnprovedFor is how long after W an unproved answer, or the probe of a node that comes before
// us, may block a take.
const UnprovedFor = 500 * time.Millisecond

// Rates and counts of the address probe.
const (
	probesNeeded  = 8
	probeLeast    = time.Millisecond      // between two before W
	probeLate     = 2 * time.Millisecond  // once the lease should have ended, nor more than D/30
	probeTrip     = 20 * time.Millisecond // an answer takes no longer, nor than an interval
	probePatience = 4                     // nor so many times as long as the slowest so far
)

// probing is the result of the probes for one token's resource.
type probing struct {
	silence    clock.Instant // of the peers: when the newest was heard
	sent       clock.Instant // newest probe
	takeAt     clock.Instant // W of the peer that was heard last
	early      int           // probes sent before W
	unanswered int           // probes sent since the newest answer
	eighth     clock.Instant // the probesNeeded-th of them
	answered   bool          // a probe was answered
	roundTrip  time.Duration // the longest that an answer took
	peerProbed clock.Instant // a peer's own probe was seen
	mac        [6]byte       // that answered last
	answeredAt clock.Instant // when, 0 if none has
}

// needsProbe reports whether the peer must be probed. A peer whose kernel does not silence a
// dead daemon's address does not prove by an answer that it lives. A peer whose last message
// said that it is not eligible is probed like any other: it may have become eligible since,
// and if not, probing costs no time.
func (m *Machine) needsProbe(t *state, i int) bool {
	p := &m.peers[i]
	return t.spec.Probeable && (p.leased || !p.heardEver)
}

// probePermits permits the take once the probes have shown that the peer renews no lease. Its
// silence counts from the instant at on.
func (m *Machine) probePermits(q *query, t *state, i int, at clock.Instant) permission {
	p, g := &m.peers[i], &t.probing
	if !q.reached(at) {
		return denied
	}
	if q.reached(at.Add(UnprovedFor)) { // not from takeAt: a third node's messages move that on and on
		return bySilence
	}
	if m.preferredPeerProbes(q, t, i) {
		return denied
	}
	if p.renews != 0 && !q.reached(p.renews.Add(m.config.Dead)) {
		return denied
	}
	if !g.answered && (g.early >= probesNeeded || g.unanswered > probesNeeded) { // the newest may still be answered
		return bySilence
	}
	if g.unanswered >= probesNeeded && q.reached(g.eighth.Add(m.patience(g))) {
		return bySilence
	}
	return denied
}

// patience is how long the answer to the last probe may take: as the network has shown by
// earlier answers. The other seven have had longer.
func (m *Machine) patience(g *probing) time.Duration {
	most := min(probeTrip, m.config.Interval)
	if !g.answered {
		return most
	}
	return min(most, probePatience*g.roundTrip+time.Millisecond)
}

// probeNetwork sends probes for the token where a peer's silence counts, or is about to: from
// D/2 of it on.
func (m *Machine) probeNetwork(q *query, t *state) {
	for i := range m.peers {
		p := &m.peers[i]
		if t.bits&AllowMultiple != 0 || !t.counts(i) || !m.needsProbe(t, i) {
			continue
		}
		if at, due := m.probeTarget(q, t, i); due {
			t.probing.reset(max(p.heard, p.pendingSince()))
			m.sendProbe(q, t, at)
		}
	}
}

// probeTarget returns from when on the silence of a peer that needs probes counts, and whether
// probes are due.
func (m *Machine) probeTarget(q *query, t *state, i int) (at clock.Instant, due bool) {
	p := &m.peers[i]
	if !m.reportsOnTime(q, t, p) {
		return m.silenceDeadline(t, i), !t.durable() || !q.reached(t.overrideUntil)
	}
	due = !t.durable() && m.came(q, p, t.ofSilence(early, earlyOrderly))
	return p.silentAt(t.spec.StopBeforeRelease, max(m.config.Dead, p.dead)), due
}

// reset forgets the probes from before the newest message.
func (g *probing) reset(last clock.Instant) {
	if g.silence < last {
		*g = probing{silence: last, peerProbed: g.peerProbed}
	}
}

// probeLead is how long before W asking begins.
func (m *Machine) probeLead() time.Duration {
	return max(m.config.Dead/2, (probesNeeded+1)*max(m.config.Dead/20, probeLeast))
}

// sendProbe sends a probe when it is due: every D/20 from D/2 of silence, or early enough for
// one more than are needed before W; every probeLate from the end of a lease that was seen to
// last, and from W, until eight have been sent in a row; then every D/20 again.
func (m *Machine) sendProbe(q *query, t *state, at clock.Instant) {
	g := &t.probing
	if g.takeAt < at {
		g.takeAt, g.unanswered, g.eighth = at, 0, 0
	}
	at = g.takeAt
	every := max(m.config.Dead/20, probeLeast)
	from := at.Add(-m.probeLead())
	if g.unanswered < probesNeeded && (q.reached(at) || g.answered && q.reached(at.Add(-m.config.Dead/5))) {
		every = min(every, probeLate, m.config.Dead/30)
	}
	if !q.reached(max(from, g.sent.Add(every))) || !m.requestProbe(q, t) {
		return
	}
	g.sent = q.now
	q.check(q.now.Add(every))
	if q.now < at {
		g.early++
	}
	if g.unanswered++; g.unanswered == probesNeeded {
		g.eighth = q.now
	}
}

// preferredPeerProbes reports whether a node that comes before us is about to take: its own
// probe was seen within D. Its last claim of eligibility may be void, and so may its view of
// ours; so both nodes go by the configuration.
func (m *Machine) preferredPeerProbes(q *query, t *state, i int) bool {
	return t.probing.peerProbed != 0 && m.precedes(t, i) && !q.reached(t.probing.peerProbed.Add(m.config.Dead))
}

// probeAnswered takes an answer. An answer to a probe from before W may come from a lease that
// still lasts, and the count of unanswered probes begins anew. An answer after W shows that
// the daemon of the peer renews: then no token of that peer is to be taken.
func (m *Machine) probeAnswered(now clock.Instant, e ProbeAnswered) {
	t := &m.tokens[e.Token]
	p := m.peer(e.Peer)
	if p == nil || e.Asked <= max(p.heard, p.pendingSince()) {
		return // it has spoken since
	}
	if t.phase != Idle {
		return // a holder on the same network is met by its heartbeats, which are proved
	}
	for o := range m.sameNetwork(t, (*state).idle) {
		o.probing.mac, o.probing.answeredAt = e.MAC, now
	}
	if e.Asked >= p.silentAt(t.spec.StopBeforeRelease, max(m.config.Dead, p.dead)) {
		p.renews = now
		return
	}
	for o := range m.sameNetwork(t, (*state).idle) {
		g := &o.probing
		g.answered, g.unanswered, g.eighth = true, 0, 0
		g.roundTrip = max(g.roundTrip, now.Sub(e.Asked))
	}
}

// peerProbes notes that a peer is probing too: for this token, or by it for others.
func (m *Machine) peerProbes(now clock.Instant, e PeerProbes) {
	if m.peer(e.Peer) == nil {
		return
	}
	t := &m.tokens[e.Token]
	ours, _ := m.holderGroup(t)
	for o := range m.sameNetwork(t, func(o *state) bool { theirs, ok := m.holderGroup(o); return ok && theirs == ours }) {
		o.probing.peerProbed = now
	}
}

func (t *state) idle() bool { return t.phase == Idle }

// UnprovedAnswer is a hardware address that answers for a resource of a silent peer without a
// proof, and blocks a take until the instant.
type UnprovedAnswer struct {
	MAC   [6]byte
	Until clock.Instant
}

// unprovedAnswer returns the sender that blocks the take of an idle token now without a proof,
// or blocked it until it was taken. ok is false if there was no answer since the peers fell
// silent.
func (m *Machine) unprovedAnswer(now clock.Instant, t *state) (a UnprovedAnswer, ok bool) {
	g := &t.probing
	if t.phase != Idle || g.answeredAt == 0 || g.takeAt == 0 || now.Sub(g.answeredAt) > m.config.Dead || now < g.takeAt {
		return a, false
	}
	return UnprovedAnswer{MAC: g.mac, Until: g.takeAt.Add(UnprovedFor)}, true
}
