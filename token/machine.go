package token

import (
	"time"

	"vipd/heartbeat/clock"
)

// Machine decides about all tokens on one node.
type Machine struct {
	config          Config
	peers           []peer // every other node of any token
	tokens          []state
	nodeReasons     Reason        // standing: reasons for every token
	listens         bool          // just booted or thawed: makes no claim yet
	start           clock.Instant // of listening
	rejoined        clock.Instant // a peer was heard again when none had been
	forwardingSince clock.Instant // first foreign frame since start, 0 if none
	revision        uint32        // counts changes of the claims
	stale           bool          // a new revision is due even if no claim changes
	probes          probeScheduler
	epochs          epochs
	stepped         clock.Instant // the newest step
	earlier         clock.Instant // the newest step at another instant than that
	deadline        clock.Instant // of the next Tick
	schedule        dueTokens
	actions         []Action
}

// state is one token on this node.
type state struct {
	spec           Spec
	number         int  // its place in the machine's list
	bits           Bits // of the specification, and those that peers apply
	phase          Phase
	epoch          uint64 // of our newest grant
	seen           uint64 // highest epoch granted or seen
	since          clock.Instant
	cause          Cause
	from           uint8 // the previous holder
	lease          lease
	pinned         bool
	proved         bool          // to a neighbour, since it was taken
	previousHolder bool          // gave it up in this run: an ex-holder
	removed        bool          // Dropping: the effector has confirmed
	conflicted     bool          // another holder was heard
	alone          clock.Instant // holding beside a silent peer since
	announce       clock.Instant // next announcement while alone

	reasons       Reason        // the token's own, without the standing ones
	eligibility   Reason        // all that speaks against this node
	eligibleSince clock.Instant // its level rose last
	failures      int           // of the effector, in a row
	retry         clock.Instant // HandsFailed until then

	published   Claim  // as of changed
	publishedAt uint32 // revision in which our claim of it last changed

	handover      handover
	reoffer       clock.Instant   // no new offer until then
	overrideUntil clock.Instant   // until then an operator answers for the nodes that are not heard
	moves         []clock.Instant // failbacks, of the hour before the newest
	yield         yield
	probing       probing

	record     Record
	kept       Record        // as the disk has it
	writing    bool          // the disk has been asked to keep the record
	promisedAt uint32        // revision from which on we have said that we apply Disable Inheritance; 0 if not
	rewrite    clock.Instant // it failed; again then

	mine   *Member     // this node's standing, nil if it has none
	theirs []*Member   // the peers' standings, by place
	claims []peerClaim // by place of the peer
	asks   []uint8     // moments of the peers that its rules ask for, one bit each
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

// yield is the demand of the winner of a conflict.
type yield struct {
	peer  uint8
	epoch uint64
}

// New returns the machine of a node that has just begun to listen.
func New(c Config, now clock.Instant) *Machine {
	m := &Machine{config: c, listens: true, start: now, revision: 1, deadline: now}
	m.epochs = epochs{reserved: ReserveEpochs{HighWater: c.HighWater, Timed: c.Timed}, floor: c.Clock, floorAt: now}
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

// seat looks up the members of the token, and makes room for the claim of each peer.
func (m *Machine) seat(t *state) {
	t.mine, t.theirs = t.spec.member(m.config.Self), t.theirs[:0]
	for i := range m.peers {
		t.theirs = append(t.theirs, t.spec.member(m.peers[i].slot))
	}
	t.claims = append(t.claims, make([]peerClaim, len(m.peers)-len(t.claims))...)
	t.asks = append(t.asks, make([]uint8, len(m.peers)-len(t.asks))...)
}

// fresh returns a token that is new to this run. An earlier run may have granted any epoch up
// to the high water, so that counts as seen; but not beyond the time of day.
func (m *Machine) fresh(spec Spec, now clock.Instant) state {
	seen := m.config.HighWater
	if floor := m.epochs.at(now); m.config.Timed && floor != 0 {
		seen = min(seen, floor+startSlack)
	}
	return state{spec: spec, bits: spec.Bits, eligibleSince: now, publishedAt: m.revision + 1, seen: seen<<8 | uint64(m.config.Self)}
}

// Revision counts the changes of the claims; messages carry it with them.
func (m *Machine) Revision() uint32 { return m.revision }

// Deadline is when the machine wants its next Tick.
func (m *Machine) Deadline() clock.Instant { return m.deadline }

// Step takes an event at now and returns the actions in the order in which they must be done.
// They are valid until the next Step.
func (m *Machine) Step(now clock.Instant, ev Event) []Action {
	m.actions = m.actions[:0]
	m.schedule.turn = m.schedule.turn[:0]
	m.schedule.renew(len(m.tokens), len(m.peers))
	q := queryAt(now)
	m.handle(&q, ev)
	_, tick := ev.(Tick)
	m.listen(&q, tick)
	m.endListening(&q)
	m.reserve(&q)
	m.noticeInputs(now)
	m.renewShared(&q)
	m.decideDue(&q)
	m.sendProbes()
	m.restate()
	m.setDeadline(&q)
	m.deadline = q.next
	return m.actions
}

func (m *Machine) handle(q *query, ev Event) {
	m.mark(ev)
	switch ev := ev.(type) {
	case Report:
		m.applyReport(q, ev)
	case SessionPending:
		if p := m.peer(ev.Peer); p != nil {
			m.sessionPending(q.now, p, ev.Later)
		}
	case LateStep:
		if p := m.peer(ev.Peer); p != nil {
			p.unread = q.now
		}
	case NetworkForwarding:
		if m.forwardingSince == 0 {
			m.forwardingSince = q.now
		}
	case Up:
		m.up(q.now, ev)
	case Failed:
		m.failed(q.now, ev)
	case Down:
		m.down(ev.Token)
	case Expired:
		m.expired(q.now, ev)
	case Eligibility:
		m.tokens[ev.Token].reasons = ev.Reasons
	case NodeEligibility:
		m.nodeReasons = ev.Reasons
	case BlockFailback:
		if p := m.peer(ev.Peer); p != nil {
			p.failbackBlocked = ev.Blocked
		}
	case Move:
		m.startMove(q, ev)
	case OperatorOverride:
		m.tokens[ev.Token].overrideUntil = q.now.Add(overrideFor)
	case Unpin:
		m.tokens[ev.Token].pinned = false
	case SetBits:
		t := &m.tokens[ev.Token]
		t.spec.Bits = ev.Bits
		t.bits = t.applied()
	case Adopt:
		m.adopt(q.now, ev)
	case RestoreRecord:
		m.restoreRecord(q.now, ev)
		t := &m.tokens[ev.Token]
		t.seen = max(t.seen, ev.Seen)
	case Booted:
		m.config.Booting = false
	case RecordPersisted:
		m.recordPersisted(q.now, ev)
	case EpochsReserved:
		m.epochs.answer(q.now, ev)
	case ClockFloor:
		m.epochs.floor, m.epochs.floorAt = ev, q.now
	case BumpRevision:
		m.stale = true
	case Reconfigure:
		m.reconfigure(q.now, ev.Tokens)
	case ProbeAnswered:
		m.probeAnswered(q.now, ev)
	case Proved:
		if t := &m.tokens[ev.Token]; t.epoch == ev.Epoch {
			t.proved = true
		}
	case PeerProbes:
		m.peerProbes(q.now, ev)
	case Resumed:
		m.restartAfterFreeze(q.now)
	case Batch:
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
	if fitness.level() > t.eligibility.level() {
		t.eligibleSince = q.now
	}
	t.eligibility = fitness
	switch t.phase {
	case Idle:
		m.syncRecord(q, i)
		m.answerOffer(q, t)
		m.tryTake(q, i)
	case Taking, Holding:
		m.hold(q, i)
	case Dropping:
		m.finishDrop(q, i)
	}
}

// reasons returns everything that speaks against this node for the token now.
func (m *Machine) reasons(q *query, t *state) Reason {
	r := m.nodeReasons | t.reasons
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

// restate compares the claim of every token with the published one. Any difference makes a new
// revision: a peer that knows the revision knows all of it.
func (m *Machine) restate() {
	changed := m.stale
	if m.stale {
		m.revision++
		m.stale = false
	}
	for _, i := range m.schedule.turn {
		t := &m.tokens[i]
		c := m.claim(t)
		if c == t.published {
			continue
		}
		if !changed {
			m.revision++
			changed = true
		}
		if c.Bits&DisableInheritance == 0 {
			t.promisedAt = 0
		} else if t.promisedAt == 0 {
			t.promisedAt = m.revision
		}
		t.published, t.publishedAt = c, m.revision
		m.due(i) // the rules ask for the published claim
	}
	if changed {
		m.do(ClaimsChanged{})
	}
}

// claim returns the claim to be published, without its tenure.
func (m *Machine) claim(t *state) Claim {
	c := Claim{Phase: t.phase, Proved: t.proved && t.phase == Holding, Pinned: t.pinned, Reasons: t.eligibility, Epoch: t.epoch, Seen: t.seen,
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
		c := t.published
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
// the effector asks before each repeated announcement.
func (m *Machine) Owns(i int, epoch uint64) bool {
	t := &m.tokens[i]
	return t.epoch == epoch && (t.phase == Taking || t.phase == Holding)
}
