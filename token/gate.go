package token

import (
	"time"

	"vipd/heartbeat/clock"
)

// The gate (rule T5): before a node takes an address on silence it asks the network that
// the clients are on. If the peer's kernel still answers after every lease has
// ended, the peer's daemon lives and renews, and only the heartbeats are lost.
//
//	last beat      D/2              L     W
//	───┼────────────┼───────────────┼──┼──┼──┼──┼──────┼──►
//	                every D/20      8, every 2 ms    + an answer's time
//	                none answered (≥ 8): take at W
//	                answered: by a lease that lasts; the 8 after the last answer decide
//
// Eight in a row without an answer show that the lease has run out, and what has run
// out is not renewed by a send (Term).
//
// An answer is a hint, not a proof: a switch may answer in a dead host's place, and any
// host may claim to be the peer. A peer that lives and is on the same network proves
// itself by its heartbeats, which go over that network too while it is in trouble. So an
// answer blocks a take for UnprovedFor at most.

// UnprovedFor is how long after W an unproved answer, or the question of a node that
// comes before us, may block a take.
const UnprovedFor = 500 * time.Millisecond

// Rates and counts of the gate.
const (
	asksNeeded  = 8
	askLeast    = time.Millisecond      // between two before W
	askLate     = 2 * time.Millisecond  // once the lease should have ended, nor more than D/30
	askTrip     = 20 * time.Millisecond // an answer takes no longer, nor than an interval
	askPatience = 4                     // nor so many times as long as the slowest so far
)

// gate is what asking for one token's resource has shown.
type gate struct {
	silence  clock.Instant // of the peers: when the newest was heard
	asked    clock.Instant // newest ask
	at       clock.Instant // W of the peer that was heard last
	early    int           // asks sent before W
	row      int           // asks sent since the newest answer
	eighth   clock.Instant // the asksNeeded-th of them
	answered bool          // an ask was answered
	trip     time.Duration // the longest that an answer took
	rival    clock.Instant // a peer's own ask was seen
	mac      [6]byte       // that answered last
	named    clock.Instant // when, 0 if none has
}

// gated reports whether the peer has to be asked for. One whose kernel does not
// silence a dead daemon's address proves nothing by an answer. One whose last
// word was that it is unfit is asked for like any other: it may have become fit
// since, and where it has not, asking costs no time.
func (m *Machine) gated(t *state, i int) bool {
	p := &m.peers[i]
	return t.spec.Askable && (p.leased || !p.ever)
}

// gateClears clears the peer, whose silence counts from the instant at on, when the asks
// have shown that nobody renews.
func (m *Machine) gateClears(q *query, t *state, i int, at clock.Instant) clearance {
	p, g := &m.peers[i], &t.gate
	if !q.reached(at) {
		return blocked
	}
	if q.reached(at.Add(UnprovedFor)) { // not from g.at: a third node's words move that on and on
		return bySilence
	}
	if m.rivalAsks(q, t, i) {
		return blocked
	}
	if p.renews != 0 && !q.reached(p.renews.Add(m.config.Dead)) {
		return blocked
	}
	if !g.answered && (g.early >= asksNeeded || g.row > asksNeeded) { // the newest may still be answered
		return bySilence
	}
	if g.row >= asksNeeded && q.reached(g.eighth.Add(m.patience(g))) {
		return bySilence
	}
	return blocked
}

// patience is how long the last of the asks may take to be answered: what its network
// has shown, where it has answered before. The other seven have had longer.
func (m *Machine) patience(g *gate) time.Duration {
	most := min(askTrip, m.config.Interval)
	if !g.answered {
		return most
	}
	return min(most, askPatience*g.trip+time.Millisecond)
}

// askNetwork asks for the token where a peer's silence counts, or is about to: from D/2 of
// it on.
func (m *Machine) askNetwork(q *query, t *state) {
	for i := range m.peers {
		p := &m.peers[i]
		if t.bits&AllowMultiple != 0 || !t.counts(i) || !m.gated(t, i) {
			continue
		}
		if at, due := m.asksBefore(q, t, i); due {
			t.gate.begin(max(p.heard, p.unproved()))
			m.askFor(q, t, at)
		}
	}
}

// asksBefore returns from when on a gated peer's silence counts, and whether it is time to
// ask for what it may have.
func (m *Machine) asksBefore(q *query, t *state, i int) (at clock.Instant, due bool) {
	p := &m.peers[i]
	if !m.speaks(q, t, p) {
		return m.silenceCounts(t, i), !t.lasting() || !q.reached(t.vouched)
	}
	due = !t.lasting() && m.came(q, p, t.ofSilence(early, earlyOrderly))
	return p.silentAt(t.spec.Orderly, max(m.config.Dead, p.dead)), due
}

// begin forgets what was asked before the newest word.
func (g *gate) begin(last clock.Instant) {
	if g.silence < last {
		*g = gate{silence: last, rival: g.rival}
	}
}

// askAhead is how long before W asking begins.
func (m *Machine) askAhead() time.Duration {
	return max(m.config.Dead/2, (asksNeeded+1)*max(m.config.Dead/20, askLeast))
}

// askFor asks when it is time to: every D/20 from D/2 of silence, or early enough for
// one more than are needed before W; every askLate from the end of a lease that was
// seen to last, and from W, until eight have been sent in a row; then every D/20 again.
func (m *Machine) askFor(q *query, t *state, at clock.Instant) {
	g := &t.gate
	if g.at < at {
		g.at, g.row, g.eighth = at, 0, 0
	}
	at = g.at
	every := max(m.config.Dead/20, askLeast)
	from := at.Add(-m.askAhead())
	if g.row < asksNeeded && (q.reached(at) || g.answered && q.reached(at.Add(-m.config.Dead/5))) {
		every = min(every, askLate, m.config.Dead/30)
	}
	if !q.reached(max(from, g.asked.Add(every))) || !m.question(q, t) {
		return
	}
	g.asked = q.now
	q.check(q.now.Add(every))
	if q.now < at {
		g.early++
	}
	if g.row++; g.row == asksNeeded {
		g.eighth = q.now
	}
}

// rivalAsks reports whether a node that comes before us is about to take: its
// own ask was seen within D. What it last said of its fitness may be void, and
// what it believes of ours; so both go by what the configuration says.
func (m *Machine) rivalAsks(q *query, t *state, i int) bool {
	return t.gate.rival != 0 && m.precedes(t, i) && !q.reached(t.gate.rival.Add(m.config.Dead))
}

// answered takes an answer. One to an ask sent before W may come from a lease that
// still lasts, and those in a row count anew; one after W shows that its daemon renews:
// then no token of that peer is to be taken.
func (m *Machine) answered(now clock.Instant, e Answered) {
	t := &m.tokens[e.Token]
	p := m.peer(e.Peer)
	if p == nil || e.Asked <= max(p.heard, p.unproved()) {
		return // it has spoken since
	}
	if t.phase != Idle {
		return // a holder on the same network is met by its heartbeats, which are proved
	}
	for o := range m.alike(t, (*state).idle) {
		o.gate.mac, o.gate.named = e.MAC, now
	}
	if e.Asked >= p.silentAt(t.spec.Orderly, max(m.config.Dead, p.dead)) {
		p.renews = now
		return
	}
	for o := range m.alike(t, (*state).idle) {
		g := &o.gate
		g.answered, g.row, g.eighth = true, 0, 0
		g.trip = max(g.trip, now.Sub(e.Asked))
	}
}

// peerAsks notes that a peer is asking too: for this token, or by it for others.
func (m *Machine) peerAsks(now clock.Instant, e PeerAsks) {
	if m.peer(e.Peer) == nil {
		return
	}
	t := &m.tokens[e.Token]
	ours, _ := m.crowd(t)
	for o := range m.alike(t, func(o *state) bool { theirs, ok := m.crowd(o); return ok && theirs == ours }) {
		o.gate.rival = now
	}
}

func (t *state) idle() bool { return t.phase == Idle }

// Answerer is a hardware address that answers for a resource of a silent peer without a
// proof, and blocks a take until the instant.
type Answerer struct {
	MAC   [6]byte
	Until clock.Instant
}

// answerer returns what blocks the take of an idle token now, or blocked it until it was
// taken, without a proof. ok is false if nothing has answered since the peers fell silent.
func (m *Machine) answerer(now clock.Instant, t *state) (a Answerer, ok bool) {
	g := &t.gate
	if t.phase != Idle || g.named == 0 || g.at == 0 || now.Sub(g.named) > m.config.Dead || now < g.at {
		return a, false
	}
	return Answerer{MAC: g.mac, Until: g.at.Add(UnprovedFor)}, true
}
