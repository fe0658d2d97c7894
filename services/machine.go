package services

import "vipd/heartbeat/clock"

// Machine is one node's state machine of all its groups.
type Machine struct {
	groups  []group
	orders  uint64        // given so far; 0 is none
	moved   bool          // a group changed its state: others may have waited for it
	next    clock.Instant // earliest instant consulted that lies ahead
	actions []Action
}

// group is one group on this node.
type group struct {
	spec  Spec
	next  *Spec // takes over as soon as the group has stopped
	after []int // numbers of spec.After
	gone  bool  // from the configuration

	state   State
	failure string // the last one
	waits   int    // the group that it waits for, none: -1
	changed bool   // Changed is to be said

	epoch  uint64        // of the newest grant
	held   bool          // the grant is in force
	spent  bool          // Failed was said under it
	leaves bool          // Down is owed
	given  clock.Instant // when it was granted
	paused bool          // the grant can't be relied on for now: no unit starts

	units   []unit
	checks  []check
	probing uint64        // the order of Probe, 0: checks are off
	grace   clock.Instant // until then a check that was never healthy may fail
	due     clock.Instant // the order under way, or the checks, must have answered
	up      clock.Instant // Running since

	broken bool // going down because of a failure
	again  bool // the coming start is a local restart
	crash  crash
}

// unit is one part of a group.
type unit struct {
	state State
	order uint64 // the newest
	text  string
}

// New returns a machine without a running group.
func New(specs []Spec, now clock.Instant) *Machine {
	m := &Machine{next: now}
	m.reconfigure(specs)
	return m
}

// newGroup returns a group of which nothing is here.
func newGroup(spec Spec) group {
	return group{spec: spec, waits: -1, units: make([]unit, len(spec.Units)), checks: make([]check, len(spec.Checks))}
}

// Deadline is when the machine wants its next Tick.
func (m *Machine) Deadline() clock.Instant { return m.next }

// Step takes what happened at now and returns what to do, in this order, valid
// until the next Step. All of it is heard before anything is decided: a group
// that is revoked together with others does not start before its turn.
func (m *Machine) Step(now clock.Instant, events ...Event) []Action {
	m.actions = m.actions[:0]
	for _, ev := range events {
		m.handle(now, ev)
	}
	for m.moved = true; m.moved; { // each round needs a group that moved; none moves in a circle without an answer or time
		m.moved, m.next = false, clock.Never
		for i := range m.groups {
			m.decide(now, i)
		}
	}
	for i := range m.groups {
		if g := &m.groups[i]; g.changed {
			g.changed = false
			m.do(Changed{Group: i})
		}
	}
	return m.actions
}

func (m *Machine) handle(now clock.Instant, ev Event) {
	switch ev := ev.(type) {
	case Grant:
		m.grant(now, ev)
	case Revoke:
		m.revoke(ev.Group)
	case Pause:
		if g := m.group(ev.Group); g != nil {
			g.paused = ev.On
		}
	case Adopt:
		m.adopt(now, ev)
	case Started:
		m.unitStarted(ev)
	case StartFailed:
		m.unitFailed(now, ev.Group, ev.Unit, ev.Order, ev.Text)
	case Died:
		m.unitFailed(now, ev.Group, ev.Unit, ev.Order, ev.Text)
	case Stopped:
		m.unitStopped(ev)
	case StopFailed:
		m.unitStopFailed(now, ev)
	case Result:
		m.result(now, ev)
	case Reset:
		m.reset(now, ev.Group)
	case Restart:
		m.restart(ev.Group)
	case Reconfigure:
		m.reconfigure(ev.Specs)
	}
}

// decide takes the next step of the group's state.
func (m *Machine) decide(now clock.Instant, i int) {
	switch m.groups[i].state {
	case Idle, Broken:
		m.answerRevoke(i)
	case Starting:
		m.startGroup(now, i)
	case Running:
		m.resetFailures(now, &m.groups[i])
	default:
		m.stopGroup(now, i)
	}
}

// group returns the group with the number, nil if there is none.
func (m *Machine) group(i int) *group {
	if i < 0 || i >= len(m.groups) {
		return nil
	}
	return &m.groups[i]
}

// set changes the group's state.
func (m *Machine) set(g *group, s State) {
	if g.state != s {
		g.state, g.changed, m.moved = s, true, true
	}
}

// order returns the number of a new order.
func (m *Machine) order() uint64 {
	m.orders++
	return m.orders
}

// reached reports whether at is past; if not, the machine wakes up for it.
func (m *Machine) reached(now, at clock.Instant) bool {
	if now >= at {
		return true
	}
	m.next = clock.Min(m.next, at)
	return false
}

func (m *Machine) do(a Action) { m.actions = append(m.actions, a) }
