package services

import "vipd/heartbeat/clock"

// check is the state of one check since it was turned on.
type check struct {
	healthy bool
	ok      bool   // the newest result
	row     int    // of its kind, in a row
	late    int    // failures after the grace of a check that was never healthy
	text    string // of the newest result
}

// count takes one result and reports whether the check fails the group: a
// healthy one after Fall failures in a row, one that never was after Fall
// failures beyond the grace. The latter need not be in a row, so that results
// which alternate come to an end too.
func (c *check) count(limits Check, ok, graceOver bool) (sick bool) {
	if ok != c.ok {
		c.row = 0
	}
	c.ok = ok
	c.row++
	switch {
	case ok:
		c.healthy = c.healthy || c.row >= limits.Rise
	case c.healthy:
		c.healthy = c.row < limits.Fall
		return !c.healthy
	case graceOver:
		c.late++
		return c.late >= limits.Fall
	}
	return false
}

// result counts one result of a check that is on.
func (m *Machine) result(now clock.Instant, e Result) {
	g := m.group(e.Group)
	if g == nil || g.probing == 0 || e.Order != g.probing || e.Check < 0 || e.Check >= len(g.checks) {
		return
	}
	c, limits := &g.checks[e.Check], g.spec.Checks[e.Check]
	was := c.healthy
	c.text = e.Text
	sick := c.count(limits, e.OK, now >= g.grace)
	g.changed = g.changed || c.healthy != was
	if sick {
		m.fail(now, e.Group, "check "+limits.Name+": "+e.Text)
	}
}

// firstUnhealthy returns the first check that is not healthy, -1 if all are.
func (g *group) firstUnhealthy() int {
	for i := range g.checks {
		if !g.checks[i].healthy {
			return i
		}
	}
	return -1
}

// startChecks turns the checks on, without any result yet.
func (m *Machine) startChecks(i int) {
	g := &m.groups[i]
	clear(g.checks)
	g.probing = m.order()
	m.do(Probe{Group: i, On: true, Order: g.probing})
}

// stopChecks turns the checks off.
func (m *Machine) stopChecks(i int) {
	if g := &m.groups[i]; g.probing != 0 {
		m.do(Probe{Group: i, Order: g.probing})
		g.probing = 0
	}
}

// assumeHealthy turns on the checks of a group that was up already: they are healthy
// until they say otherwise.
func (m *Machine) assumeHealthy(i int) {
	g := &m.groups[i]
	if len(g.checks) == 0 {
		return
	}
	m.startChecks(i)
	for c := range g.checks {
		g.checks[c].healthy = true
	}
}
