package services

import "vipd/heartbeat/clock"

// The way down: the same for a revoked group, a failed one and one that is to
// be restarted. What comes after differs.

// takeDown stops whatever of the group is here, on somebody's order.
func (m *Machine) takeDown(i int) {
	if s := m.groups[i].state; s != Idle && s != Broken {
		m.sink(i, false)
	}
}

// sink turns the group round. The newest reason counts: what is taken down on
// an order has not failed.
func (m *Machine) sink(i int, broken bool) {
	g := &m.groups[i]
	m.unprobe(i)
	g.waits, g.broken, g.again = -1, broken, false
	if g.state != Blocked {
		m.set(g, g.way())
	}
}

// lower orders the last unit that may have left something, until none has.
func (m *Machine) lower(now clock.Instant, i int) {
	g := &m.groups[i]
	u := g.last()
	if u < 0 {
		m.sunk(now, i)
		return
	}
	n := &g.units[u]
	if n.state != Stopping && n.state != Blocked {
		n.state, n.order, g.changed = Stopping, m.order(), true
		m.stop(now, i, u)
	}
	if m.reached(now, g.due) {
		if n.state == Stopping {
			m.block(g, n, "no answer to its stop")
		}
		m.stop(now, i, u)
		m.reached(now, g.due)
	}
}

// last returns the last unit that is not known to be stopped, -1 if all are.
func (g *group) last() int {
	for u := len(g.units) - 1; u >= 0; u-- {
		if g.units[u].state != Idle {
			return u
		}
	}
	return -1
}

func (m *Machine) stop(now clock.Instant, i, u int) {
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

// stopped notes that nothing of the unit is left.
func (m *Machine) stopped(e Stopped) {
	g, u := m.unit(e.Group, e.Unit, e.Order)
	if u == nil || u.state != Stopping && u.state != Blocked {
		return
	}
	*u, g.changed = unit{}, true
	if g.state == Blocked {
		m.set(g, g.way())
	}
}

// way is the state of a group that goes down.
func (g *group) way() State {
	if g.broken {
		return Failing
	}
	return Stopping
}

// stopFailed notes that something of the unit is left.
func (m *Machine) stopFailed(now clock.Instant, e StopFailed) {
	g, u := m.unit(e.Group, e.Unit, e.Order)
	if u == nil || u.state != Stopping && u.state != Blocked {
		return
	}
	m.block(g, u, e.Text)
	g.due = now.Add(StopAgain)
}

// sunk is for a group of which nothing is left.
func (m *Machine) sunk(now clock.Instant, i int) {
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
		m.giveUp(now, i)
	}
}
