package services

import "vipd/heartbeat/clock"

// The way up: wait for the groups before this one, start the units one by one,
// then see the checks become healthy.

// startGroup takes the next step of a group that is to run.
func (m *Machine) startGroup(now clock.Instant, i int) {
	g := &m.groups[i]
	u := g.firstNotRunning()
	switch {
	case u < 0:
		m.awaitHealthy(now, i)
	case g.units[u].state == Idle && !(u == 0 && m.waiting(now, g)) && !g.paused:
		m.startUnit(now, i, u)
	case g.units[u].state == Starting && m.reached(now, g.due):
		g.units[u] = unit{state: Broken, order: g.units[u].order, text: "no answer to its start"}
		m.fail(now, i, g.unitText(u))
	}
}

// firstNotRunning returns the first unit that does not run, -1 if all do.
func (g *group) firstNotRunning() int {
	for u := range g.units {
		if g.units[u].state != Running {
			return u
		}
	}
	return -1
}

// waiting reports whether the group must wait for another one: one that has a
// grant here and is not Running, or that may get one any moment.
func (m *Machine) waiting(now clock.Instant, g *group) bool {
	waits := -1
	for _, j := range g.after {
		before := &m.groups[j]
		expected := before.held && !before.spent && before.state != Running
		if expected || !before.held && !m.reached(now, g.given.Add(Settle)) {
			waits = j
			break
		}
	}
	if g.waits != waits {
		g.waits, g.changed = waits, true
	}
	return waits >= 0
}

// startUnit orders one unit. A local restart is spent here, at its first unit.
func (m *Machine) startUnit(now clock.Instant, i, u int) {
	g := &m.groups[i]
	if g.again {
		g.again = false
		g.crash.spent = append(g.crash.spent, now)
	}
	g.units[u] = unit{state: Starting, order: m.order()}
	g.changed = true
	g.due = now.Add(g.spec.StartGrace + Patience)
	m.reached(now, g.due)
	m.do(Start{Group: i, Unit: u, Epoch: g.epoch, Order: g.units[u].order})
}

// unitStarted notes that the unit which was ordered runs.
func (m *Machine) unitStarted(e Started) {
	g, u := m.unit(e.Group, e.Unit, e.Order)
	if u != nil && u.state == Starting {
		u.state, g.changed = Running, true
	}
}

// unit returns the unit with the numbers if the order is its newest.
func (m *Machine) unit(i, u int, order uint64) (*group, *unit) {
	g := m.group(i)
	if g == nil || u < 0 || u >= len(g.units) || g.units[u].order != order {
		return g, nil
	}
	return g, &g.units[u]
}

// awaitHealthy is for a group whose units all run: it is up once every check has been
// healthy.
func (m *Machine) awaitHealthy(now clock.Instant, i int) {
	g := &m.groups[i]
	if g.probing == 0 && len(g.checks) > 0 {
		g.grace = now.Add(g.spec.StartGrace)
		g.due = g.grace.Add(Patience)
		m.startChecks(i)
	}
	sick := g.firstUnhealthy()
	switch {
	case sick < 0:
		m.groupRunning(now, i)
	case m.reached(now, g.due):
		m.fail(now, i, "check "+g.spec.Checks[sick].Name+": not healthy in time")
	}
}

// groupRunning notes that the group is up.
func (m *Machine) groupRunning(now clock.Instant, i int) {
	g := &m.groups[i]
	g.up = now
	m.set(g, Running)
	m.do(Up{Group: i, Epoch: g.epoch})
}
