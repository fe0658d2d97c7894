package token

import "vipd/heartbeat/clock"

// The cost of a step follows from the changes in it. The rules are asked of a token only if
// their answer may differ from the last one: then the token is due. All other tokens are
// settled and keep their state.
//
//	an event of the token, an instant it asked for ───────► it is due
//	the inputs of a peer, or of this node, have changed ──► all are due
//	a usual message: a settled peer was heard, and echoed ► none is due; deadlines and
//	                                                        leases move for all at once
//
// Config.DecideAll has all tokens be due in every step. Both ways give the same actions.

// peerInputs is the part of a peer that the rules read. Every message of a peer moves some
// instants; for a usual peer the rules name those instants (moment), so they are left out
// here.
type peerInputs struct {
	peer
	reached       uint8 // the moments that are past, one bit each
	deaf, crossed bool
}

// usual reports whether the peer is heard and hears us, and has been so for as long as any
// rule asks.
func (s *peerInputs) usual() bool {
	return s.heardEver && s.complete && !s.link.silent && s.reached == 0 && s.heard >= s.pendingSince() && !s.deaf && !s.crossed
}

// inputsOf returns the part of the peer that the rules read at now.
func (m *Machine) inputsOf(now clock.Instant, p *peer) peerInputs {
	s := peerInputs{peer: *p, deaf: m.deaf(p), crossed: p.echoMissing()}
	for k := range moments {
		if now >= m.at(p, k) {
			s.reached |= 1 << k
		}
	}
	if s.usual() {
		s.heard, s.unsolicited, s.arrived, s.proof = 0, 0, 0, 0
		s.link.echo, s.link.boundUntil = 0, 0
	}
	return s
}

// nodeInputs is the part of this node that the rules read for every token.
type nodeInputs struct {
	own      Reason
	listens  bool
	booting  bool
	epochs   bool // are left for every token
	rejoined clock.Instant
}

// dueTokens keeps the findings of earlier steps that still stand.
type dueTokens struct {
	all    bool            // every token is due
	due    []bool          // by token
	wake   []clock.Instant // by token: the earliest instant that the rules asked for
	turn   []int           // the tokens that are decided in this step
	node   nodeInputs
	peers  []peerInputs
	seen   uint64        // the highest epoch of any token
	stirs  bool          // it may be another
	asks   []uint8       // the moments that the token under decision rests on, by peer
	asked  []momentCount // how many tokens rest on each moment, by peer
	shared sharedLimits
}

// momentCount counts the tokens that ask for each moment of a peer.
type momentCount [moments]int

// renew makes room for tokens and peers that are new.
func (s *dueTokens) renew(tokens, peers int) {
	for len(s.due) < tokens {
		s.due, s.wake, s.shared.of = append(s.due, true), append(s.wake, clock.Never), append(s.shared.of, unshared)
	}
	for len(s.asked) < peers {
		s.asked, s.asks, s.peers = append(s.asked, momentCount{}), append(s.asks, 0), append(s.peers, peerInputs{})
	}
}

// mark makes the token of the event due. noticeInputs finds the effects of events that concern
// a peer or this node.
func (m *Machine) mark(ev Event) {
	switch ev := ev.(type) {
	case Tick, Report, SessionPending, LateStep, NetworkForwarding, NodeEligibility, BlockFailback, BumpRevision, Batch:
	case Up:
		m.due(ev.Token)
	case Failed:
		m.due(ev.Token)
	case Down:
		m.due(ev.Token)
	case Expired:
		m.due(ev.Token)
	case Eligibility:
		m.due(ev.Token)
	case Move:
		m.due(ev.Token)
	case OperatorOverride:
		m.due(ev.Token)
	case Unpin:
		m.due(ev.Token)
	case SetBits:
		m.due(ev.Token)
	case RecordPersisted:
		m.due(ev.Token)
	case Proved:
		m.due(ev.Token)
	default:
		m.allDue()
	}
}

// due has the rules be asked of the token in this step.
func (m *Machine) due(i int) {
	m.schedule.due[i], m.schedule.stirs = true, true
	m.unshare(i)
}

// allDue has the rules be asked of every token.
func (m *Machine) allDue() {
	s := &m.schedule
	if s.all {
		return
	}
	s.all = true
	for i := range s.shared.of {
		m.unshare(i)
	}
	clear(s.shared.limits)
	s.shared.limits = s.shared.limits[:0]
}

// highest returns the highest epoch of any token.
func (m *Machine) highest() uint64 {
	s := &m.schedule
	if s.stirs || s.all {
		s.seen, s.stirs = 0, false
		for i := range m.tokens {
			s.seen = max(s.seen, m.tokens[i].seen)
		}
	}
	return s.seen
}

// noticeInputs makes all tokens due if an input of all of them has changed.
func (m *Machine) noticeInputs(now clock.Instant) {
	s := &m.schedule
	node := nodeInputs{own: m.nodeReasons, listens: m.listens, booting: m.config.Booting, epochs: m.epochs.left(now, m.highest()), rejoined: m.rejoined}
	if m.config.DecideAll || node != s.node || node.listens || !node.epochs || len(s.shared.limits) > len(m.tokens) {
		m.allDue()
	}
	s.node = node
	for i := range m.peers {
		if p := m.inputsOf(now, &m.peers[i]); p != s.peers[i] {
			s.peers[i] = p
			m.allDue()
		}
	}
}

// decideDue asks the rules of every token that is due, in the order of their numbers.
func (m *Machine) decideDue(q *query) {
	s := &m.schedule
	for i := range s.due {
		if s.all || s.due[i] || q.now >= s.wake[i] {
			m.unshare(i)
			s.turn = append(s.turn, i)
		}
	}
	for _, i := range s.turn {
		t := &m.tokens[i]
		before := t.progress()
		look := queryAt(q.now)
		look.moments = s.asks
		m.decide(&look, i)
		m.countMoments(t)
		q.check(look.lease)
		if s.wake[i] = look.next; !m.share(&look, i) {
			s.wake[i] = clock.Min(look.next, look.lease)
		}
		s.due[i] = look.again || !t.settled() || t.progress() != before
	}
	s.all, s.stirs = false, s.stirs || len(s.turn) > 0
}

// settled reports whether noticeInputs sees all inputs of the token: it is held or free, or is
// being put up, and no handover, conflict or removal is under way.
func (t *state) settled() bool {
	return t.phase != Dropping && t.lease.state != expired && !t.conflicted && t.yield.peer == 0 && t.handover.verb == Silent
}

// progress is the part of the token that a decision may change and the next decision reads.
type progress struct {
	phase   Phase
	bits    Bits
	writing bool
	record  Record
	probing probing
}

func (t *state) progress() progress { return progress{t.phase, t.bits, t.writing, t.record, t.probing} }

// setDeadline moves the deadline to the earliest instant that any token has asked for.
func (m *Machine) setDeadline(q *query) {
	s := &m.schedule
	for _, at := range s.wake {
		q.check(at)
	}
	for i := range m.peers {
		for k := range moments {
			if at := m.at(&m.peers[i], k); s.asked[i][k] > 0 && at > q.now {
				q.check(at)
			}
		}
	}
}
