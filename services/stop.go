package services

import "vipd/heartbeat/clock"

// The way down: the same for a revoked group, a failed one and one that is to
// be restarted. What comes after differs.

// takeDown stops the units of the group that may run here, by an order.
func (m *Machine) takeDown(i int) {
	if s := m.groups[i].state; s != Idle && s != Broken {
		m.beginStop(i, false)
	}
}

// beginStop turns the group round. The newest reason counts: a group that stops by an
// order has not failed.
func (m *Machine) beginStop(i int, broken bool) {
	g := &m.groups[i]
	m.stopChecks(i)
	g.waits, g.broken, g.again = -1, broken, false
	if g.state != Blocked {
		m.set(g, g.stopState())
	}
}

// stopGroup orders the last unit that may have left something, until none has.
func (m *Machine) stopGroup(now clock.Instant, i int) {
	g := &m.groups[i]
	u := g.lastNotStopped()
	if u < 0 {
		m.groupStopped(now, i)
		return
	}
	n := &g.units[u]
	if n.state != Stopping && n.state != Blocked {
		n.state, n.order, g.changed = Stopping, m.order(), true
		m.stopUnit(now, i, u)
	}
	if m.reached(now, g.due) {
		if n.state == Stopping {
			m.block(g, n, "no answer to its stop")
		}
		m.stopUnit(now, i, u)
		m.reached(now, g.due)
	}
}

// lastNotStopped returns the last unit that is not known to be stopped, -1 if all are.
func (g *group) lastNotStopped() int {
	for u := len(g.units) - 1; u >= 0; u-- {
		if g.units[u].state != Idle {
			return u
		}
	}
	return -1
}

func (m *Machine) stopUnit(now clock.Instant, i, u int) {
	g := &m.groups[i]
	g.due = now.Add(g.spec.StopTimeout + StopAgain)
	m.do(Stop{Group: i, Unit: u, Order: g.units[u].order})
}

// block says that the unit does not stop. The group stays Blocked while it is
// tried again.
func (m *Machine) block(g *group, u *unit, text string) {
	if u.state != Blocked || u.text != text {
		u.state, u.text, g.changed = Blocked, text, true
	}
	m.set(g, Blocked)
}

// unitStopped notes that no process of the unit is left.
func (m *Machine) unitStopped(e Stopped) {
	g, u := m.unit(e.Group, e.Unit, e.Order)
	if u == nil || u.state != Stopping && u.state != Blocked {
		return
	}
	*u, g.changed = unit{}, true
	if g.state == Blocked {
		m.set(g, g.stopState())
	}
}

// stopState is the state of a group that goes down.
func (g *group) stopState() State {
	if g.broken {
		return Failing
	}
	return Stopping
}

// unitStopFailed notes that processes of the unit are left.
func (m *Machine) unitStopFailed(now clock.Instant, e StopFailed) {
	g, u := m.unit(e.Group, e.Unit, e.Order)
	if u == nil || u.state != Stopping && u.state != Blocked {
		return
	}
	m.block(g, u, e.Text)
	g.due = now.Add(StopAgain)
}

// groupStopped is for a group without any process left: it becomes idle, or starts again.
func (m *Machine) groupStopped(now clock.Instant, i int) {
	g := &m.groups[i]
	if g.next != nil {
		m.renew(i)
	}
	switch {
	case !g.held || g.gone:
		m.set(g, Idle)
	case !g.broken:
		m.set(g, Starting)
	case g.crash.allows(g.spec.Restart.Attempts):
		g.broken, g.again = false, true
		m.set(g, Starting)
	default:
		m.noRestartLeft(now, i)
	}
}
