package services

import "slices"

// reconfigure takes over a new list of groups. The number of a group that is
// gone is free for another once the token has let go of it.
func (m *Machine) reconfigure(specs []Spec) {
	for i := range m.groups {
		if g := &m.groups[i]; !slices.ContainsFunc(specs, func(s Spec) bool { return s.Name == g.spec.Name }) {
			m.retire(i)
		}
	}
	for _, spec := range specs {
		m.change(m.number(spec), spec)
	}
	m.link()
}

// retire stops a group that is in the configuration no more.
func (m *Machine) retire(i int) {
	m.groups[i].gone = true
	m.takeDown(i)
}

// number returns the group's number, a free or a new one if it has none.
func (m *Machine) number(spec Spec) int {
	free := -1
	for i := range m.groups {
		g := &m.groups[i]
		if g.spec.Name == spec.Name {
			return i
		}
		if g.gone && !g.held && !g.leaves && g.lastNotStopped() < 0 {
			free = i
		}
	}
	if free < 0 {
		m.groups = append(m.groups, newGroup(spec))
		return len(m.groups) - 1
	}
	m.groups[free] = newGroup(spec)
	return free
}

// change takes over what is new of a group. Only other units disturb it.
func (m *Machine) change(i int, spec Spec) {
	g := &m.groups[i]
	back := g.gone
	g.gone, g.next = false, nil
	if slices.Equal(g.spec.Units, spec.Units) {
		m.adjust(i, spec)
	} else {
		g.next = &spec
		m.replaceSpec(i)
	}
	if back && g.state == Idle && g.held && !g.spent {
		m.set(g, Starting)
	}
}

// replaceSpec stops the group as it was; at rest it is exchanged at once.
func (m *Machine) replaceSpec(i int) {
	if m.groups[i].lastNotStopped() < 0 {
		m.renew(i)
		return
	}
	m.takeDown(i)
}

// renew makes the group what the newest configuration says. Failures of what it
// was say nothing of what it is.
func (m *Machine) renew(i int) {
	g := &m.groups[i]
	g.spec, g.next = *g.next, nil
	g.units, g.checks = make([]unit, len(g.spec.Units)), make([]check, len(g.spec.Checks))
	g.clearFailures()
	g.broken, g.again = false, false
	if g.state == Broken {
		m.set(g, Idle)
	}
	m.link()
}

// adjust takes over what leaves the units alone. Other checks begin anew.
func (m *Machine) adjust(i int, spec Spec) {
	g := &m.groups[i]
	same := slices.Equal(g.spec.Checks, spec.Checks)
	g.spec = spec
	if same {
		return
	}
	m.stopChecks(i)
	g.checks, g.changed = make([]check, len(spec.Checks)), true
	if g.state == Running {
		m.assumeHealthy(i)
	}
}

// link looks up which groups come before which.
func (m *Machine) link() {
	for i := range m.groups {
		g := &m.groups[i]
		g.after = g.after[:0]
		for j := range m.groups {
			if !m.groups[j].gone && slices.Contains(g.spec.After, m.groups[j].spec.Name) {
				g.after = append(g.after, j)
			}
		}
	}
}
