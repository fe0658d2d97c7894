package node

import (
	"time"

	"vipd/heartbeat"
	"vipd/heartbeat/clock"
	"vipd/services"
	"vipd/token"
)

// Times of the node's own doings.
const (
	commandLimit = 5 * time.Second         // an operator's order takes no longer
	stopLimit    = 2 * time.Second         // waiting for the effectors, and for the peers to know
	restartLimit = time.Second             // waiting for the peers to know that we restart
	Grace        = 2 * time.Second         // lease of resources that a restarting daemon leaves up
	absence      = Grace + Grace/4         // the wait that its peers are asked for: W for that lease
	proveLimit   = 150 * time.Millisecond  // a move that is done waits so long for its proof
	maxCommands  = heartbeat.MaxOrders * 4 // under way at a time
)

// Config is told to the machine once.
type Config struct {
	Self    uint8
	Session uint64
	Start   uint64            // of the session, as the seal has it
	Starts  []heartbeat.Start // of peers' sessions, as an earlier run knew them
	Peers   []uint8
	Digest  uint64
	Boot    uint64 // names the boot that this host is in
	Build   string
	Paths   uint8 // between the nodes, see heartbeat.Config
	LANs    uint8 // paths over the clients' network
	Leased  bool  // this host's kernel silences its resources when the daemon dies
	token.Config
	Services Services
}

// Machine is the state machine of one node.
type Machine struct {
	config Config
	beats  *heartbeat.Machine
	tokens *token.Machine

	groups    groups
	runs      map[int]int       // group → number of the token it is granted under, until it is down
	paused    map[int]bool      // the groups whose services were told not to start units
	numbers   map[uint64]int    // token ID → number
	peers     []peer            // by place in config.Peers
	sends     []Action          // of heartbeat.Send
	claims    []heartbeat.Claim // as of the newest revision
	pager     claimPager
	suspended bool
	stopping  clock.Instant // since, 0 if not
	left      bool          // Exit was said
	restart   restart
	synced    bool
	local     Local
	wall      clock.Wall // the time of day, as told last
	wallAt    clock.Instant
	trusted   bool // the clock, as the token machine was told last
	commands  []command
	orders    uint32 // newest ID
	receipts  []receipt
	refusal   token.Refusal // of the order being executed
	due       clock.Instant
	actions   []Action
	batches   batches
	scratch   []token.Claim
	echoes    []heartbeat.PeerEcho
	starts    []heartbeat.Start
	published Payload // newest that was handed over

	echoesPublished copies[heartbeat.PeerEcho]
	startsPublished copies[heartbeat.Start]
}

// peer is the notes on another node beside those of the machines.
type peer struct {
	slot    uint8
	alive   bool
	differs bool
	beyond  bool
	within  bool // its clock is within a second of ours
	remap   bool
}

type restart struct {
	since   clock.Instant // 0: none under way
	edition uint32
	done    bool
}

// New returns the machine of a node that has just begun to listen.
func New(c Config, now clock.Instant) *Machine {
	c.Config.Self = c.Self
	m := &Machine{config: c, numbers: map[uint64]int{}, runs: map[int]int{}, paused: map[int]bool{}, groups: newGroups(c.Services, now)}
	m.pager.size = heartbeat.PageSize(len(c.Peers) + 1)
	m.beats = heartbeat.New(heartbeat.Config{Self: c.Self, Session: c.Session, Start: c.Start, Starts: c.Starts, Peers: c.Peers,
		Interval: c.Interval, Dead: c.Dead, Lease: c.Lease, Paths: c.Paths, LANs: c.LANs}, now)
	m.tokens = token.New(c.Config, now)
	for _, slot := range c.Peers {
		m.peers = append(m.peers, peer{slot: slot})
	}
	m.index()
	m.publishClaims(now)
	return m
}

// index learns the tokens' numbers by their IDs.
func (m *Machine) index() {
	clear(m.numbers)
	for i := range m.tokens.Tokens() {
		m.numbers[m.tokens.Spec(i).ID] = i
	}
}

// Deadline is when the machine wants its next Tick.
func (m *Machine) Deadline() clock.Instant { return m.due }

// Beats and Tokens let status read the machines; only Step steps them.
func (m *Machine) Beats() *heartbeat.Machine { return m.beats }

// Tokens returns the machine that decides about tokens.
func (m *Machine) Tokens() *token.Machine { return m.tokens }

// Step takes an event at now and returns the actions, valid until the next
// Step.
func (m *Machine) Step(now clock.Instant, ev Event) []Action {
	m.actions, m.sends, m.batches.used = m.actions[:0], m.sends[:0], 0
	edition := m.tokens.Revision()
	if r, ok := ev.(heartbeat.Received); ok {
		m.beat(now, r)
	} else {
		m.beat(now, heartbeat.Tick{})
		m.handle(now, ev)
	}
	if m.groups.machine.Deadline() <= now {
		m.queue(services.Tick{})
	}
	m.settle(now)
	m.watchPeers(now)
	m.watchClock(now)
	m.command(now)
	m.finishShutdown(now)
	m.publish(now, m.tokens.Revision() != edition)
	m.schedule(now)
	return m.actions
}

// beat steps the heartbeat machine and passes its actions on to the token machine.
func (m *Machine) beat(now clock.Instant, ev heartbeat.Event) {
	for _, action := range m.beats.Step(now, ev) {
		switch a := action.(type) {
		case heartbeat.Send:
			m.sends = append(m.sends, action)
		case *heartbeat.Report:
			m.applyReport(now, a)
		case heartbeat.SessionPending:
			m.decide(now, token.SessionPending{Peer: a.From, Later: a.Later})
		case heartbeat.LateStep:
			m.decide(now, token.LateStep{Peer: a.Peer})
		case heartbeat.Resumed:
			m.do(PeerEvent{Peer: m.config.Self, Kind: Froze})
			m.do(Flush{})
			m.decide(now, token.Resumed{})
			m.requestClaims()
		default:
			m.do(a)
		}
	}
}

func (m *Machine) handle(now clock.Instant, ev Event) {
	switch ev := ev.(type) {
	case Command:
		m.order(now, ev)
	case Stop:
		if m.stopping == 0 {
			m.stopping = now
			m.updateEligibility(now)
		}
	case Restart:
		m.beginRestart(now)
	case Suspended:
		m.suspended = ev.On
		m.updateEligibility(now)
	case Synced:
		m.synced, m.wall, m.wallAt = ev.On, ev.Wall, now
		m.tellClock(now)
	case Local:
		m.local = ev
	case Reload:
		m.reload(now, ev)
	case StoppedGroups:
		for _, name := range ev.Names {
			m.groups.stopped[name] = true
		}
		m.groups.dependents.all = true
	case token.Eligibility:
		m.tellEligibility(ev)
	case token.Batch:
		m.batch(now, ev)
	case token.Event:
		m.decide(now, ev)
	case services.Adopt:
		m.adopt(ev)
	case services.Event:
		m.queue(ev) // behind the revocations of a beat in this step
	case Tick:
		m.decide(now, token.Tick{})
	}
}

// batch takes events that happened together, each as handle would.
func (m *Machine) batch(now clock.Instant, list token.Batch) {
	var rest token.Batch
	for _, ev := range list {
		if f, ok := ev.(token.Eligibility); ok {
			m.tellEligibility(f)
		} else {
			rest = append(rest, ev)
		}
	}
	if len(rest) > 0 {
		m.decide(now, rest)
	}
}

// decide steps the token machine. Its actions are done in their order; a
// changed claim is said at once, which speak sees by the revision.
func (m *Machine) decide(now clock.Instant, ev token.Event) {
	for _, a := range m.tokens.Step(now, ev) {
		switch a := a.(type) {
		case token.ClaimsChanged:
		case *token.Leases:
			m.do(m.batches.keep(a))
		case token.EpochRefused:
			m.do(PeerEvent{Peer: a.Peer, Kind: EpochRefused})
		case token.Refused:
			m.refused(a)
		default:
			if !m.route(a) {
				m.do(a)
			}
		}
	}
}

// updateEligibility tells the token machine the reasons against the node as a whole.
func (m *Machine) updateEligibility(now clock.Instant) {
	var r token.Reason
	if m.suspended {
		r |= token.Suspend
	}
	if m.stopping != 0 {
		r |= token.Stopping
	}
	m.decide(now, token.NodeEligibility{Reasons: r})
}

// State is the state of the node as a whole.
func (m *Machine) State() heartbeat.State {
	switch {
	case m.stopping != 0:
		return heartbeat.Stopping
	case m.restart.since != 0:
		return heartbeat.Restarting
	case m.suspended:
		return heartbeat.Suspended
	case m.tokens.Listening():
		return heartbeat.Starting
	}
	return heartbeat.Up
}

func (m *Machine) reload(now clock.Instant, r Reload) {
	m.settle(now) // the events in the queue have the numbers as they were
	m.config.Digest = r.Digest
	m.grantGrace(now, r.Services)
	m.groups.services, m.groups.colocated = r.Services, colocation(r.Services.Groups)
	m.serve(now, services.Reconfigure{Specs: specs(r.Services)})
	m.decide(now, token.Reconfigure{Tokens: r.Tokens})
	m.index()
	m.groups.dependents.all = true
	m.requestClaims()
	m.decide(now, token.BumpRevision{})
}

// requestClaims has every peer's claims read again with its next report: the token
// machine has forgotten them, or counts its tokens differently.
func (m *Machine) requestClaims() {
	for i := range m.peers {
		m.peers[i].remap = true
	}
}

func (m *Machine) do(a Action) { m.actions = append(m.actions, a) }

// schedule sets the deadline: the earliest that any part wants.
func (m *Machine) schedule(now clock.Instant) {
	m.due = clock.Min(clock.Min(m.beats.Deadline(), m.tokens.Deadline()), m.groups.machine.Deadline())
	m.due = clock.Min(m.due, m.groups.graces.next(now))
	m.due = clock.Min(m.due, m.pager.due())
	for i := range m.commands {
		m.due = clock.Min(m.due, m.commands[i].limit)
		if moved := m.commands[i].moved; moved != 0 {
			m.due = clock.Min(m.due, moved.Add(proveLimit))
		}
	}
	if m.stopping != 0 && !m.left {
		m.due = clock.Min(m.due, m.stopping.Add(stopLimit+m.groups.stopTime()))
	}
	if m.restart.since != 0 && !m.restart.done {
		m.due = clock.Min(m.due, m.restart.since.Add(restartLimit))
	}
	m.due = max(m.due, now+1)
}
