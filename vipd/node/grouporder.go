package node

import (
	"time"

	"vipd/services"
	"vipd/token"
)

// runGroupOrder carries out an operator's order to a group on this node.
func (m *Machine) runGroupOrder(c Command) {
	name := m.tokens.Spec(c.Token).Name
	g, ok := m.groups.group(name)
	if !ok {
		m.refusal = token.NoSuchNode
		return
	}
	switch c.Verb {
	case Halt:
		m.stopGroup(name, true)
	case Begin:
		m.stopGroup(name, false)
		m.queue(services.Reset{Group: g})
	case Renew:
		m.queue(services.Restart{Group: g})
	}
}

// stopGroup has the node let go of the token and stay away, or take part again.
func (m *Machine) stopGroup(name string, on bool) {
	if m.groups.stopped[name] != on {
		m.groups.stopped[name] = on
		m.groups.dependents.all = true
		m.do(KeepStoppedGroups{Name: name, On: on})
	}
}

// groupOrderDone reports whether the order to a group here is done.
func (m *Machine) groupOrderDone(c *command) bool {
	g, ok := m.groups.group(m.tokens.Spec(c.Token).Name)
	if !ok {
		return true
	}
	state := m.groups.machine.Look(g).State
	switch c.Verb {
	case Halt:
		return m.tokens.Phase(c.Token) == token.Idle && (state == services.Idle || state == services.Broken)
	case Renew:
		return state == services.Running || state == services.Idle || state == services.Broken
	}
	return true
}

// patience is how long a command may take: groups with units to stop and to start may take
// long.
func (m *Machine) patience(c Command) time.Duration {
	if !c.Verb.ofToken() {
		return commandLimit
	}
	if c.Verb == Take {
		return commandLimit + token.ForceAfter
	}
	if _, ok := m.groups.group(m.tokens.Spec(c.Token).Name); !ok {
		return commandLimit
	}
	return commandLimit + m.groups.stopTime()
}
