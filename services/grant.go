package services

import "vipd/heartbeat/clock"

// What the token and the operator say of a whole group.

// grant lets the group run. One that was given up twice says so at once.
func (m *Machine) grant(now clock.Instant, e Grant) {
	g := m.group(e.Group)
	switch {
	case g == nil || g.leaves || e.Epoch <= g.epoch:
	case g.held && !g.spent:
		m.regrant(e)
	case !g.gone:
		g.hold(now, e.Epoch)
		g.crash.beginGrant(now, g.spec.Restart.Within)
		if g.crash.locked {
			m.giveUp(e.Group)
			return
		}
		g.failure = ""
		m.set(g, Starting)
	}
}

// regrant gives the grant that is in force a newer number.
func (m *Machine) regrant(e Grant) {
	g := &m.groups[e.Group]
	g.epoch, g.changed = e.Epoch, true
	if g.state == Running {
		m.do(Up{Group: e.Group, Epoch: g.epoch})
	}
}

// hold notes that a grant is in force from now on.
func (g *group) hold(now clock.Instant, epoch uint64) {
	g.held, g.spent, g.given = true, false, now
	g.epoch, g.changed = epoch, true
}

// adopt goes on with what an earlier run of the daemon left. Whatever of it is
// not found running died unseen.
func (m *Machine) adopt(now clock.Instant, e Adopt) {
	g := m.group(e.Group)
	if g == nil || g.gone || g.held || g.leaves || g.state != Idle {
		return
	}
	g.hold(now, e.Epoch)
	missing := -1
	for u := range g.units {
		g.units[u] = unit{state: Running}
		if u >= len(e.Running) || !e.Running[u] {
			g.units[u] = unit{state: Broken, text: "did not outlive the daemon"}
			missing = u
		}
	}
	if missing >= 0 {
		m.fail(now, e.Group, g.unitText(missing))
		return
	}
	m.assumeHealthy(e.Group)
	m.groupRunning(now, e.Group)
}

// revoke takes the group down; decide answers as soon as the group has stopped.
func (m *Machine) revoke(i int) {
	g := m.group(i)
	if g == nil {
		return
	}
	g.held, g.leaves = false, true
	m.takeDown(i)
}

// answerRevoke tells the token that a stopped group is down, if that is owed.
func (m *Machine) answerRevoke(i int) {
	if g := &m.groups[i]; g.leaves {
		g.leaves, g.paused = false, false
		m.do(Down{Group: i})
	}
}

// reset forgives. A grant under which the group was given up stays spent: the
// token has been told.
func (m *Machine) reset(now clock.Instant, i int) {
	g := m.group(i)
	if g == nil {
		return
	}
	g.clearFailures()
	switch g.state {
	case Blocked:
		g.due = now
	case Broken:
		m.set(g, Idle)
	}
}

// restart stops the group, to be started again.
func (m *Machine) restart(i int) {
	if g := m.group(i); g != nil && g.held && !g.spent {
		m.takeDown(i)
	}
}
