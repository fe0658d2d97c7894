package token

import "vipd/heartbeat/clock"

// A step costs what has changed. The rules are asked of a token only if their answer may be
// another than it was: then the token is due. All others are settled and keep what they have.
//
//	an event of the token, an instant it asked for ────► it is due
//	a peer's standing, or this node's, has changed ────► all are due
//	a usual word: a settled peer was heard, and echoed ► none is due; deadlines and
//	                                                     leases move for all at once
//
// Config.DecideAll has all tokens be due in every step. Both ways give the same actions.

// standing is what the rules read of a peer. Of a usual peer they ask by names (moment)
// about the instants that each of its words moves, so those are left out.
type standing struct {
	peer
	reached       uint8 // the moments that are past, one bit each
	deaf, crossed bool
}

// usual reports whether the peer is heard and hears us, and has been so for as long as any
// rule asks.
func (s *standing) usual() bool {
	return s.ever && s.known && !s.link.silent && s.reached == 0 && s.heard >= s.unproved() && !s.deaf && !s.crossed
}

// standingOf returns what the rules read of the peer at now.
func (m *Machine) standingOf(now clock.Instant, p *peer) standing {
	s := standing{peer: *p, deaf: m.deaf(p), crossed: p.crossed()}
	for k := range moments {
		if now >= m.at(p, k) {
			s.reached |= 1 << k
		}
	}
	if s.usual() {
		s.heard, s.spoke, s.arrived, s.proof = 0, 0, 0, 0
		s.link.echo, s.link.boundUntil = 0, 0
	}
	return s
}

// nodeStanding is what the rules read of this node for every token.
type nodeStanding struct {
	own      Reason
	listens  bool
	booting  bool
	epochs   bool // are left for every token
	rejoined clock.Instant
}

// settled is what was found out in earlier steps and still stands.
type settled struct {
	all    bool            // every token is due
	due    []bool          // by token
	wake   []clock.Instant // by token: the earliest instant that the rules asked for
	turn   []int           // the tokens that are decided in this step
	node   nodeStanding
	peers  []standing
	seen   uint64  // the highest epoch of any token
	stirs  bool    // it may be another
	asks   []uint8 // the moments that the token under decision rests on, by peer
	asked  []ask   // how many tokens rest on each moment, by peer
	shared shared
}

// ask counts the tokens that ask for each moment of a peer.
type ask [moments]int

// renew makes room for tokens and peers that are new.
func (s *settled) renew(tokens, peers int) {
	for len(s.due) < tokens {
		s.due, s.wake, s.shared.of = append(s.due, true), append(s.wake, clock.Never), append(s.shared.of, own)
	}
	for len(s.asked) < peers {
		s.asked, s.asks, s.peers = append(s.asked, ask{}), append(s.asks, 0), append(s.peers, standing{})
	}
}

// mark makes the token due that the event is about. What an event of a peer or of this
// node changes is noticed by what it has changed.
func (m *Machine) mark(ev Event) {
	switch ev := ev.(type) {
	case Tick, Word, Audible, Stall, Foreign, Standing, Gate, Restate, Several:
	case Up:
		m.due(ev.Token)
	case Failed:
		m.due(ev.Token)
	case Down:
		m.due(ev.Token)
	case Ended:
		m.due(ev.Token)
	case Fitness:
		m.due(ev.Token)
	case Move:
		m.due(ev.Token)
	case Vouch:
		m.due(ev.Token)
	case Unpin:
		m.due(ev.Token)
	case SetBits:
		m.due(ev.Token)
	case Recorded:
		m.due(ev.Token)
	case Proved:
		m.due(ev.Token)
	default:
		m.allDue()
	}
}

// due has the rules be asked of the token in this step.
func (m *Machine) due(i int) {
	m.settled.due[i], m.settled.stirs = true, true
	m.unshare(i)
}

// allDue has the rules be asked of every token.
func (m *Machine) allDue() {
	s := &m.settled
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
	s := &m.settled
	if s.stirs || s.all {
		s.seen, s.stirs = 0, false
		for i := range m.tokens {
			s.seen = max(s.seen, m.tokens[i].seen)
		}
	}
	return s.seen
}

// notice looks what has changed that concerns every token.
func (m *Machine) notice(now clock.Instant) {
	s := &m.settled
	node := nodeStanding{own: m.own, listens: m.listens, booting: m.config.Booting, epochs: m.epochs.left(now, m.highest()), rejoined: m.rejoined}
	if m.config.DecideAll || node != s.node || node.listens || !node.epochs || len(s.shared.limits) > len(m.tokens) {
		m.allDue()
	}
	s.node = node
	for i := range m.peers {
		if p := m.standingOf(now, &m.peers[i]); p != s.peers[i] {
			s.peers[i] = p
			m.allDue()
		}
	}
}

// decideDue asks the rules of every token that is due, in the order of their numbers.
func (m *Machine) decideDue(q *query) {
	s := &m.settled
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

// settled reports whether the rules read no more of the token's surroundings than is
// noticed: it is held or free, or is being put up, and nothing else is under way.
func (t *state) settled() bool {
	return t.phase != Dropping && t.lease.state != muted && !t.rivalled && t.yield.peer == 0 && t.handover.verb == Silent
}

// progress is what a decision may change of the token that the next one reads.
type progress struct {
	phase   Phase
	bits    Bits
	writing bool
	record  Record
	gate    gate
}

func (t *state) progress() progress { return progress{t.phase, t.bits, t.writing, t.record, t.gate} }

// soonest moves the deadline to the earliest instant that any token has asked for.
func (m *Machine) soonest(q *query) {
	s := &m.settled
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
