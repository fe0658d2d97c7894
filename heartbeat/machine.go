package heartbeat

import (
	"time"

	"vipd/heartbeat/clock"
)

// queryAtFullRate is how long a peer that is silent is asked every twentieth of
// a lease; after that beats alone do, as they are echoed at once too.
const queryAtFullRate = time.Second

// queryLeast is the least time between two asks to one peer.
const queryLeast = time.Millisecond

// Config is told to the machine once. Lease is 0.8 of Dead.
type Config struct {
	Self     uint8
	Session  uint64 // ours, random, not 0
	Start    uint64 // ours: counts the starts of this node, 0 if it is not known
	Peers    []uint8
	Starts   []Start // the greatest of the sessions that peers have proved to an earlier run
	Interval time.Duration
	Dead     time.Duration
	Lease    time.Duration
	Paths    uint8 // the ordinary paths, numbered from 0; 0 if they are not known, and then LANs is 0 and no copies are spared
	LANs     uint8 // the paths over the clients' network, numbered on; used only in trouble
}

// Event is something that happened.
type Event interface{ event() }

// Tick is the passing of time: the deadline was reached.
type Tick struct{}

// Received is a message that opened with the sender's key.
type Received struct {
	From    uint8
	Session uint64
	Start   uint64        // of the session, 0 if the sender does not know its own
	Path    uint8         // ours, on which it came, from 0
	Arrived clock.Instant // when the kernel had it
	Wall    clock.Wall    // the same on the wall clock, 0 if the kernel gave no stamp
	Message *Message
}

func (Tick) event()     {}
func (Received) event() {}

// Action is something to do or to know.
type Action interface{ action() }

// Send asks for a message at once: an Answer goes to one node on one path, an
// Ask to one node on all paths. LAN paths carry an Answer to a message that came on one,
// and what has LAN set.
type Send struct {
	Kind     Kind
	To       uint8
	Path     uint8 // for an Answer
	LAN      bool  // over the clients' network too
	Spare    bool  // without a copy to the group
	AllPages bool  // every page of the claims, for the peer lacks some
}

// Report is a message of a peer that counts, with the facts that the deciding machines need of
// it. It is valid until the next Step.
type Report struct {
	From          uint8
	Message       *Message
	Echoed        clock.Instant // our newest send that this very message echoes, 0 if none or too old
	Proof         clock.Instant // the same, though our session did not count for the peer when it heard that: no lease rests on it
	Fresh         bool          // newer than every message before
	Unsolicited   bool          // of itself, or the first of a session: it is echoed from now on
	NewSession    bool          // first of a new session
	Waited        time.Duration // how long it lay in our socket
	Silence       time.Duration // of the peer, before this message
	AckedRevision uint32        // the newest revision of our claims that the sender has whole
	Claims        []Claim       // all of the peer's claims, if they changed with this message
	Changed       bool          // Claims is set
	Complete      bool          // the claims known of it are those it has now
}

// Resumed says that we did not run for longer than a dead time: tokens that we held are not
// ours any more.
type Resumed struct{ For time.Duration }

// LateStep says that we ran late: messages of the peer may wait unread.
type LateStep struct{ Peer uint8 }

// SessionPending says that a session of the peer was heard which has not proved itself, but
// may be its present one: the peer may not hear us. It is not silent then; its claims are not
// known.
type SessionPending struct {
	From  uint8
	Later bool // it began after all that have proved themselves, and is not the one that an earlier run of ours knew
}

// SessionReplaced says that a peer knows of a later start of this node than the present one:
// this node's memory of its starts was lost or old. The next start must be above. The peer
// does not listen to a session with a lower start, but for one whose sender knows that it does
// not know its own (0).
type SessionReplaced struct{ Start uint64 }

func (Send) action()            {}
func (*Report) action()         {}
func (Resumed) action()         {}
func (LateStep) action()        {}
func (SessionPending) action()  {}
func (SessionReplaced) action() {}

// Machine is the heartbeat state machine of one node.
type Machine struct {
	config    Config
	peers     []Peer // by place in Config.Peers
	place     [256]int8
	drops     Drops
	last      clock.Instant // newest Step
	due       clock.Instant // the deadline that the last Step left
	thawed    clock.Instant // newest thaw
	startTold uint64        // the greatest start of ours that a peer counts, our own at least
	actions   []Action
	sparing   copySparing

	pendings []PeerEcho         // scratch of Heard
	report   Report             // of this step
	replies  [][MaxPaths]Action // by place and path, the newest
}

// New returns a machine that has not heard any peer.
func New(c Config, now clock.Instant) *Machine {
	m := &Machine{config: c, last: now, due: now, startTold: c.Start}
	for i := range m.place {
		m.place[i] = -1
	}
	for i, slot := range c.Peers {
		m.peers = append(m.peers, Peer{Slot: slot, silentSince: now, unsolicited: now, ordinary: now, mutual: now})
		m.place[slot] = int8(i)
	}
	m.replies = make([][MaxPaths]Action, len(c.Peers))
	for _, s := range c.Starts {
		if p := m.Peer(s.Slot); p != nil {
			p.proven = max(p.proven, s.Start)
		}
	}
	return m
}

// Peers returns every peer, in the order of Config.Peers. They are the
// machine's own: look, don't touch.
func (m *Machine) Peers() []Peer { return m.peers }

// Peer returns the peer with that slot, or nil.
func (m *Machine) Peer(slot uint8) *Peer {
	if i := m.place[slot]; i >= 0 {
		return &m.peers[i]
	}
	return nil
}

// Drops returns the counts of messages without effect.
func (m *Machine) Drops() *Drops { return &m.drops }

// Count counts a message that was refused before it reached the machine.
func (m *Machine) Count(r DropReason) { m.drops[r]++ }

// maxPending is how many sessions that have not proved themselves the next message
// echoes at most, beside one for each peer of which none has.
const maxPending = 2

// Echoes appends the echoes of the peers' sends for the next message: of the sessions
// that count, and of those that have yet to prove themselves, so that they can.
func (m *Machine) Echoes(now clock.Instant, list []PeerEcho) []PeerEcho {
	for i := range m.peers {
		p := &m.peers[i]
		if p.Session != 0 {
			list = append(list, PeerEcho{Slot: p.Slot, Paths: p.heardOn(now, m.config.Dead), Session: p.Session, Revision: p.pages.have(), Sent: p.sent, At: p.at})
		}
	}
	pending := m.pendings[:0]
	for i := range m.peers {
		pending = m.peers[i].pendingAt(now, m.config.Dead, pending)
	}
	m.pendings = pending
	first, room := 0, len(m.peers)+maxPending-len(list)
	if len(pending) > room {
		first = m.turn(now)
	}
	for i := range min(room, len(pending)) {
		list = append(list, pending[(first+i)%len(pending)])
	}
	return list
}

// turn counts intervals: entries that have no room in one message go with a later one.
func (m *Machine) turn(now clock.Instant) int {
	return int(uint64(now) / uint64(m.config.Interval) % (1 << 30))
}

// Starts appends the greatest known starts of peers that are silent or have begun a later
// session than the live one. A node whose own start has gone back is not listened to, and
// learns from them the bound for its next start. If there are many they come in turn.
func (m *Machine) Starts(now clock.Instant, list []Start) []Start {
	for i := range m.peers {
		p := &m.peers[(m.turn(now)+i)%len(m.peers)]
		least := p.least()
		silent := p.Session == 0 || p.Silence(now) > m.config.Interval*6/5
		if len(list) < maxStarts && least > 0 && (silent || p.Start < least) {
			list = append(list, Start{Slot: p.Slot, Start: least})
		}
	}
	return list
}

// RequestClaims reports whether pages of some peer's claims are lacking.
func (m *Machine) RequestClaims() bool {
	for i := range m.peers {
		if p := &m.peers[i]; p.Session != 0 && !p.pages.whole {
			return true
		}
	}
	return false
}

// Deadline is when the machine wants its next Tick.
func (m *Machine) Deadline() clock.Instant { return m.due }

// Step takes an event at now and returns the actions, valid until the next Step.
func (m *Machine) Step(now clock.Instant, ev Event) []Action {
	m.actions = m.actions[:0]
	m.noticeLateness(now)
	if r, ok := ev.(Received); ok {
		m.receive(now, r)
	}
	m.watchPaths(now)
	m.watchCopies(now)
	m.query(now)
	m.schedule(now)
	return m.actions
}

// lateStepsForgiven is how often a peer's timers are restarted, for we ran late, before
// it must have been heard: else a busy node would never see a death.
const lateStepsForgiven = 2

// noticeLateness looks whether we ran late. A node that was late restarts its peers'
// timers, for their messages may wait in its socket; but not of those that were dead
// before. One that did not run for a dead time has been taken for dead itself.
func (m *Machine) noticeLateness(now clock.Instant) {
	frozen, late := now.Sub(m.last) > m.config.Dead, now.Sub(m.due) > m.config.Interval/2
	for i := range m.peers {
		switch p := &m.peers[i]; {
		case frozen:
			p.silentSince, p.unsolicited = now, now
		case late && p.lateSteps < lateStepsForgiven:
			p.lateSteps++
			if p.Silence(m.last) <= m.config.Dead {
				p.silentSince, p.unsolicited = now, now
			}
			m.actions = append(m.actions, LateStep{Peer: p.Slot})
		}
	}
	if frozen {
		m.thawed = now
		m.actions = append(m.actions, Resumed{For: now.Sub(m.last)})
	}
	m.last = now
}

// query asks every peer that has not spoken by itself, or has not echoed, for 1.2
// intervals: every twentieth of a lease, at least a millisecond apart. That
// tells loss from death without waiting for the next beat. A peer that we hear
// is asked so until it echoes; a silent one for askAtFullRate.
//
// An answer of the peer's does not count as speaking: it is not echoed, so the
// peer's newest echo may be older than that answer, and its lease is reckoned
// from the echo. It must hear our asks before it thinks itself alone.
func (m *Machine) query(now clock.Instant) {
	for i := range m.peers {
		p := &m.peers[i]
		from := m.troubleAt(p)
		if now < from {
			p.trouble = 0
			continue
		}
		if p.trouble == 0 {
			p.trouble = now
		}
		if now >= m.queryAt(p) {
			p.queried = now
			m.actions = append(m.actions, Send{Kind: Query, To: p.Slot, LAN: m.config.LANs > 0})
		}
	}
}

// troubleAt is when the peer becomes one to ask.
func (m *Machine) troubleAt(p *Peer) clock.Instant {
	patience := m.config.Interval * 6 / 5
	return clock.Min(p.unsolicited, max(p.Echo, p.Since)).Add(patience)
}

// queryAt is when to ask the peer next, Never if it is not worth it.
func (m *Machine) queryAt(p *Peer) clock.Instant {
	if p.trouble == 0 {
		return m.troubleAt(p)
	}
	given := max(queryAtFullRate, 3*m.config.Dead)
	if p.queried.Sub(p.trouble) > given && p.queried.Sub(p.silentSince) > m.config.Dead {
		return clock.Never
	}
	return p.queried.Add(max(m.config.Lease/20, queryLeast))
}

// schedule sets the deadline: the next ask, and never later than an interval
// from now, so that a stall is seen.
func (m *Machine) schedule(now clock.Instant) {
	m.due = now.Add(m.config.Interval)
	for i := range m.peers {
		m.due = clock.Min(m.due, m.queryAt(&m.peers[i]))
	}
	m.due = max(m.due, now+1)
}
