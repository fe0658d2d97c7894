package token

import (
	"time"

	"vipd/heartbeat/clock"
)

// Machine is one node's mind about all tokens.
type Machine struct {
	config    Config
	peers     []peer // every other node of any token
	tokens    []state
	own       Reason        // standing: reasons for every token
	listens   bool          // just booted or thawed: claims nothing yet
	start     clock.Instant // of listening
	rejoined  clock.Instant // a peer was heard again when nobody had been
	foreign   clock.Instant // first foreign frame since start, 0 if none
	edition   uint32        // counts changes of the claims
	stale     bool          // a new edition is due whatever the claims are
	questions questions
	epochs    epochs
	stepped   clock.Instant // the newest step
	earlier   clock.Instant // the newest step at another instant than that
	deadline  clock.Instant // of the next Tick
	settled   settled
	actions   []Action
}

// state is one token on this node.
type state struct {
	spec     Spec
	number   int  // its place in the machine's list
	bits     Bits // of the specification, and what peers say that they apply
	phase    Phase
	epoch    uint64 // of our newest grant
	seen     uint64 // highest epoch granted or seen
	since    clock.Instant
	cause    Cause
	from     uint8 // who had it before
	lease    lease
	pinned   bool
	proved   bool          // to a neighbour, since it was taken
	held     bool          // gave it up in this run: an ex-holder
	removed  bool          // Dropping: the hands have confirmed
	rivalled bool          // another holder was heard
	alone    clock.Instant // holding beside a silent peer since
	announce clock.Instant // next announcement while alone

	reasons  Reason        // the token's own, without the standing ones
	fitness  Reason        // all that speaks against this node
	fitAt    clock.Instant // its level rose last
	failures int           // of the hands, in a row
	retry    clock.Instant // HandsFailed until then

	said    Claim  // as of changed
	changed uint32 // edition in which what we say of it last changed

	handover handover
	reoffer  clock.Instant   // no new offer until then
	vouched  clock.Instant   // until then an operator answers for who is not heard
	moves    []clock.Instant // failbacks, of the hour before the newest
	yield    yield
	gate     gate

	record  Record
	kept    Record        // as the disk has it
	writing bool          // the disk has been asked to keep the record
	vowed   uint32        // edition from which on we have said that we apply Disable Inheritance; 0 if not
	rewrite clock.Instant // it failed; again then

	mine   *Member   // this node's standing, nil if it has none
	theirs []*Member // the peers' standings, by place
	views  []view    // by place of the peer
	asks   []uint8   // moments of the peers that its rules ask for, one bit each
}

// handover is the planned move as this node sees it, on either side.
type handover struct {
	verb    Verb
	peer    uint8
	number  uint64 // the offer's
	until   clock.Instant
	cause   Cause
	pinned  bool
	decline offer // the newest declined
}

// offer names one: its giver, and its number in the giver's session.
type offer struct {
	peer   uint8
	number uint64
}

// yield is what a meeting's winner demands.
type yield struct {
	peer  uint8
	epoch uint64
}

// New returns the machine of a node that has just begun to listen.
func New(c Config, now clock.Instant) *Machine {
	m := &Machine{config: c, listens: true, start: now, edition: 1, deadline: now}
	m.epochs = epochs{reserved: Reserve{HighWater: c.HighWater, Timed: c.Timed}, floor: c.Clock, floorAt: now}
	if m.config.Sample == 0 {
		m.config.Sample = usualSample
	}
	for _, spec := range c.Tokens {
		for _, member := range spec.Members {
			m.addPeer(member.Slot, now)
		}
	}
	for _, spec := range c.Tokens {
		fresh := m.fresh(spec, now)
		fresh.number = len(m.tokens)
		m.tokens = append(m.tokens, fresh)
		m.seat(&m.tokens[fresh.number])
	}
	return m
}

// seat looks up who the token's members are, and has a view for each peer.
func (m *Machine) seat(t *state) {
	t.mine, t.theirs = t.spec.member(m.config.Self), t.theirs[:0]
	for i := range m.peers {
		t.theirs = append(t.theirs, t.spec.member(m.peers[i].slot))
	}
	t.views = append(t.views, make([]view, len(m.peers)-len(t.views))...)
	t.asks = append(t.asks, make([]uint8, len(m.peers)-len(t.asks))...)
}

// fresh returns a token of which this run knows nothing. An earlier run may have
// granted any epoch up to the high water, so that counts as seen; but for what was to
// come later than now.
func (m *Machine) fresh(spec Spec, now clock.Instant) state {
	seen := m.config.HighWater
	if floor := m.epochs.at(now); m.config.Timed && floor != 0 {
		seen = min(seen, floor+startSlack)
	}
	return state{spec: spec, bits: spec.Bits, fitAt: now, changed: m.edition + 1, seen: seen<<8 | uint64(m.config.Self)}
}

// Edition counts the changes of the claims; it goes with them on the wire.
func (m *Machine) Edition() uint32 { return m.edition }

// Deadline is when the machine wants its next Tick.
func (m *Machine) Deadline() clock.Instant { return m.deadline }

// Step takes what happened at now and returns what to do, valid until the next
// Step. The actions are in the order in which they must be done.
func (m *Machine) Step(now clock.Instant, ev Event) []Action {
	m.actions = m.actions[:0]
	m.settled.turn = m.settled.turn[:0]
	m.settled.renew(len(m.tokens), len(m.peers))
	q := queryAt(now)
	m.handle(&q, ev)
	_, tick := ev.(Tick)
	m.listen(&q, tick)
	m.endStart(&q)
	m.reserve(&q)
	m.notice(now)
	m.renewShared(&q)
	m.decideDue(&q)
	m.ask()
	m.restate()
	m.soonest(&q)
	m.deadline = q.next
	return m.actions
}

func (m *Machine) handle(q *query, ev Event) {
	m.mark(ev)
	switch ev := ev.(type) {
	case Word:
		m.hear(q, ev)
	case Audible:
		if p := m.peer(ev.Peer); p != nil {
			m.pend(q.now, p, ev.Later)
		}
	case Stall:
		if p := m.peer(ev.Peer); p != nil {
			p.unread = q.now
		}
	case Foreign:
		if m.foreign == 0 {
			m.foreign = q.now
		}
	case Up:
		m.up(q.now, ev)
	case Failed:
		m.failed(q.now, ev)
	case Down:
		m.down(ev.Token)
	case Ended:
		m.ended(q.now, ev)
	case Fitness:
		m.tokens[ev.Token].reasons = ev.Reasons
	case Standing:
		m.own = ev.Reasons
	case Gate:
		if p := m.peer(ev.Peer); p != nil {
			p.closed = ev.Closed
		}
	case Move:
		m.move(q, ev)
	case Vouch:
		m.tokens[ev.Token].vouched = q.now.Add(vouchFor)
	case Unpin:
		m.tokens[ev.Token].pinned = false
	case SetBits:
		t := &m.tokens[ev.Token]
		t.spec.Bits = ev.Bits
		t.bits = t.applied()
	case Adopt:
		m.adopt(q.now, ev)
	case Recall:
		m.recall(q.now, ev)
		t := &m.tokens[ev.Token]
		t.seen = max(t.seen, ev.Seen)
	case Booted:
		m.config.Booting = false
	case Recorded:
		m.recorded(q.now, ev)
	case Reserved:
		m.epochs.answer(q.now, ev)
	case ClockFloor:
		m.epochs.floor, m.epochs.floorAt = ev, q.now
	case Restate:
		m.stale = true
	case Reconfigure:
		m.reconfigure(q.now, ev.Tokens)
	case Answered:
		m.answered(q.now, ev)
	case Proved:
		if t := &m.tokens[ev.Token]; t.epoch == ev.Epoch {
			t.proved = true
		}
	case PeerAsks:
		m.peerAsks(q.now, ev)
	case Thaw:
		m.thaw(q.now)
	case Several:
		for _, one := range ev {
			m.handle(q, one)
		}
	}
}

// decide brings one token to where the rules want it.
func (m *Machine) decide(q *query, i int) {
	t := &m.tokens[i]
	m.rely(t)
	t.bits = t.applied()
	fitness := m.reasons(q, t)
	if fitness.level() > t.fitness.level() {
		t.fitAt = q.now
	}
	t.fitness = fitness
	switch t.phase {
	case Idle:
		m.syncRecord(q, i)
		m.answer(q, t)
		m.consider(q, i)
	case Taking, Holding:
		m.keep(q, i)
	case Dropping:
		m.settle(q, i)
	}
}

// reasons returns everything that speaks against this node for the token now.
func (m *Machine) reasons(q *query, t *state) Reason {
	r := m.own | t.reasons
	if t.mine == nil {
		r |= Unconfigured
	}
	if t.spec.Bits&ReleaseRequested != 0 {
		r |= Released
	}
	if t.retry != 0 && !q.reached(t.retry) {
		r |= HandsFailed
	}
	if t.phase == Idle && m.listens {
		r |= Starting
	}
	if !m.epochs.left(q.now, t.seen) && t.phase == Idle {
		r |= NoEpoch
	}
	if m.oneWay(q, t) {
		r |= OneWay
	}
	return r
}

func (m *Machine) do(a Action) { m.actions = append(m.actions, a) }

// restate compares what is to be said of every token with what was said last.
// Any difference makes a new edition: a peer that knows it knows all of this.
func (m *Machine) restate() {
	changed := m.stale
	if m.stale {
		m.edition++
		m.stale = false
	}
	for _, i := range m.settled.turn {
		t := &m.tokens[i]
		c := m.claim(t)
		if c == t.said {
			continue
		}
		if !changed {
			m.edition++
			changed = true
		}
		if c.Bits&DisableInheritance == 0 {
			t.vowed = 0
		} else if t.vowed == 0 {
			t.vowed = m.edition
		}
		t.said, t.changed = c, m.edition
		m.due(i) // the rules ask for what was said
	}
	if changed {
		m.do(Changed{})
	}
}

// claim returns what is to be said of the token, but for its tenure.
func (m *Machine) claim(t *state) Claim {
	c := Claim{Phase: t.phase, Proved: t.proved && t.phase == Holding, Pinned: t.pinned, Reasons: t.fitness, Epoch: t.epoch, Seen: t.seen,
		Bits: t.spec.Bits & AllowMultiple, Promises: t.promised(), Priority: t.ownRank().priority}
	if t.applies() {
		c.Bits |= DisableInheritance
	}
	switch {
	case t.yield.peer != 0:
		c.Verb, c.To, c.About = Yield, t.yield.peer, t.yield.epoch
	case t.handover.verb != Silent:
		c.Verb, c.To, c.About = t.handover.verb, t.handover.peer, t.handover.number
		c.Pinned = c.Pinned || t.handover.pinned
	}
	return c
}

// Claims appends every token's claim at now, in the order of Config.Tokens.
func (m *Machine) Claims(now clock.Instant, list []Claim) []Claim {
	for i := range m.tokens {
		t := &m.tokens[i]
		c := t.said
		c.Tenure = t.tenure(now)
		list = append(list, c)
	}
	return list
}

// tenure is how long the token has been held without a break.
func (t *state) tenure(now clock.Instant) time.Duration {
	if t.phase == Idle {
		return 0
	}
	return now.Sub(t.since)
}

// Owns reports whether the token is held with that epoch: the question that
// the hands ask before each repeated announcement.
func (m *Machine) Owns(i int, epoch uint64) bool {
	t := &m.tokens[i]
	return t.epoch == epoch && (t.phase == Taking || t.phase == Holding)
}
