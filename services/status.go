package services

// View is this node's knowledge of one group, for status.
type View struct {
	State    State
	Epoch    uint64 // of the newest grant
	Units    []UnitView
	Checks   []CheckView
	Restarts int    // local ones that are not forgiven yet
	Text     string // the group it waits for, the unit that does not stop, or the last failure
}

// UnitView is one unit of a View.
type UnitView struct {
	State State
	Text  string // why it is Broken or Blocked
}

// CheckView is one check of a View.
type CheckView struct {
	Healthy bool
	InARow  int // equal results
	Text    string
}

// Groups returns how many numbers are in use; the groups are 0 to Groups()−1.
func (m *Machine) Groups() int { return len(m.groups) }

// Number returns the group's number, -1 if the configuration has no such group.
func (m *Machine) Number(name string) int {
	for i := range m.groups {
		if !m.groups[i].gone && m.groups[i].spec.Name == name {
			return i
		}
	}
	return -1
}

// Ready reports whether the group is Running, no check being sick.
func (m *Machine) Ready(i int) bool {
	g := m.group(i)
	return g != nil && g.state == Running
}

// GivenUp reports whether no unit of the group will start before a Reset.
func (m *Machine) GivenUp(i int) bool {
	g := m.group(i)
	return g != nil && g.crash.locked
}

// Look returns the View of the group; the zero View if there is none.
func (m *Machine) Look(i int) View {
	g := m.group(i)
	if g == nil {
		return View{}
	}
	v := View{State: g.state, Epoch: g.epoch, Restarts: len(g.crash.spent), Text: m.text(g)}
	for _, u := range g.units {
		v.Units = append(v.Units, UnitView{State: u.state, Text: u.text})
	}
	for _, c := range g.checks {
		v.Checks = append(v.Checks, CheckView{Healthy: c.healthy, InARow: c.row, Text: c.text})
	}
	return v
}

func (m *Machine) text(g *group) string {
	switch {
	case g.waits >= 0:
		return "waits for group " + m.groups[g.waits].spec.Name
	case g.state == Blocked:
		return g.unitText(g.lastNotStopped())
	}
	return g.failure
}
