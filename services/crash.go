package services

import (
	"slices"
	"time"

	"vipd/heartbeat/clock"
)

// crash is the record of a group's failures. It ends a crash loop that
// goes from node to node: a node that has given the group up gives it one
// start more when the token comes back, and none after that. To stay Running
// for Within wipes that out, and so does an operator or a changed group.
type crash struct {
	spent  []clock.Instant // local restarts that are not forgiven, oldest first
	gaveUp clock.Instant   // 0: never
	last   bool            // the present grant has no restarts
	locked bool            // given up twice: no unit starts
}

// beginGrant is for a new grant.
func (c *crash) beginGrant(now clock.Instant, within time.Duration) {
	c.spent = slices.DeleteFunc(c.spent, func(at clock.Instant) bool { return within > 0 && now.Sub(at) >= within })
	if now.Sub(c.gaveUp) >= max(within, Memory) {
		c.gaveUp = 0
	}
	c.last = c.gaveUp != 0
}

// allows reports whether one restart more may be spent.
func (c *crash) allows(attempts int) bool {
	return !c.last && len(c.spent) < min(attempts, MaxAttempts)
}

// resetFailures lets time heal, while the group runs.
func (m *Machine) resetFailures(now clock.Instant, g *group) {
	within := g.spec.Restart.Within
	if within <= 0 {
		return
	}
	for len(g.crash.spent) > 0 && m.reached(now, g.crash.spent[0].Add(within)) {
		g.crash.spent = slices.Delete(g.crash.spent, 0, 1)
		g.changed = true
	}
	if g.crash.gaveUp != 0 && m.reached(now, g.up.Add(within)) {
		g.crash.gaveUp, g.crash.last = 0, false
	}
}

// unitFailed notes that a unit died or could not start; it may have left processes.
func (m *Machine) unitFailed(now clock.Instant, i, n int, order uint64, text string) {
	g, u := m.unit(i, n, order)
	if u == nil || u.state != Starting && u.state != Running {
		return
	}
	u.state, u.text, g.changed = Broken, text, true
	if g.state == Starting || g.state == Running {
		m.fail(now, i, g.unitText(n))
	}
}

// unitText returns the unit's text with its name.
func (g *group) unitText(u int) string { return g.spec.Units[u] + ": " + g.units[u].text }

// fail begins to stop the rest of the group.
func (m *Machine) fail(now clock.Instant, i int, text string) {
	g := &m.groups[i]
	if g.state == Running {
		m.resetFailures(now, g) // the deadline may be late
	}
	g.failure, g.changed = text, true
	m.beginStop(i, true)
}

// noRestartLeft ends the grant's use here.
func (m *Machine) noRestartLeft(now clock.Instant, i int) {
	g := &m.groups[i]
	g.crash.gaveUp = now
	if g.crash.last {
		g.crash.locked = true
		g.failure += " (given up twice, waits for a reset)"
	}
	m.giveUp(i)
}

// giveUp tells the token that the group can't run here.
func (m *Machine) giveUp(i int) {
	g := &m.groups[i]
	g.spent, g.broken = true, false
	m.set(g, Broken)
	m.do(Failed{Group: i, Epoch: g.epoch, Text: g.failure})
}

// clearFailures forgets every failure.
func (g *group) clearFailures() {
	g.crash, g.failure, g.changed = crash{}, "", true
}
