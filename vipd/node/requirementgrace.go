package node

import (
	"slices"

	"vipd/heartbeat/clock"
	"vipd/services"
	"vipd/token"
)

// requirementGraces are the groups that held addresses have come to need by a new
// configuration. Until such a group has run or failed here, its absence is no reason against
// this node: another node, which read the configuration a moment
// earlier, is no better place for an address that answers.
type requirementGraces map[requirementGrace]clock.Instant // until when the group may be without a grant

// requirementGrace is an address's need of a group.
type requirementGrace struct{ token, group string }

// grantGrace notes the groups that held addresses come to need by the services that are
// about to replace those in force.
func (m *Machine) grantGrace(now clock.Instant, next Services) {
	given := requirementGraces{}
	for name, list := range next.Requires {
		i, known := m.numbers[token.ID(name)]
		for _, group := range list {
			c := requirementGrace{name, group}
			if until, ok := m.groups.graces[c]; ok {
				given[c] = until
			} else if known && m.has(i) && !slices.Contains(m.groups.services.Requires[name], group) {
				given[c] = now.Add(2 * m.config.Dead)
			}
		}
	}
	m.groups.graces = given
}

// has reports whether this node has the token.
func (m *Machine) has(i int) bool {
	p := m.tokens.Phase(i)
	return p == token.Taking || p == token.Holding
}

// serves reports whether the group that the token needs is ready here, or has its
// chance still.
func (m *Machine) serves(now clock.Instant, i int, group string) bool {
	c := requirementGrace{m.tokens.Spec(i).Name, group}
	ready := m.groups.machine.Ready(m.groups.machine.Number(group))
	until, given := m.groups.graces[c]
	if ready || !given {
		delete(m.groups.graces, c)
		return ready
	}
	if m.has(i) && m.comes(now, group, until) {
		return true
	}
	delete(m.groups.graces, c)
	return false
}

// comes reports whether the group is on its way up, or may get its grant any moment.
func (m *Machine) comes(now clock.Instant, group string, until clock.Instant) bool {
	g := m.groups.machine.Number(group)
	if g < 0 || m.groups.stopped[m.groups.tokenOf(group)] {
		return false
	}
	state := m.groups.machine.Look(g).State
	return state == services.Starting || state == services.Idle && now < until
}

// tokenOf is the name of the group's token.
func (g *groups) tokenOf(group string) string {
	for _, one := range g.services.Groups {
		if one.Spec.Name == group {
			return one.Token
		}
	}
	return ""
}

// next is when the first of those that wait for a grant has waited long enough.
func (c requirementGraces) next(now clock.Instant) clock.Instant {
	first := clock.Never
	for _, until := range c {
		if until > now {
			first = clock.Min(first, until)
		}
	}
	return first
}
