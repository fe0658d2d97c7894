package node

import (
	"slices"
	"time"

	"vipd/heartbeat/clock"
	"vipd/services"
	"vipd/token"
)

// Services are the groups that run beside the addresses, and the dependencies on them.
type Services struct {
	Groups   []Group
	Requires map[string][]string // by a token's name: the groups that must be ready where it is held
}

// Group is a service group and the token that says where it runs.
type Group struct {
	Spec  services.Spec
	Token string   // its name
	With  []string // tokens: held elsewhere, they draw the group there
}

// groups joins the machine that decides where a group runs with the one that
// decides how it lives here. Each speaks to the other by events in a queue, for
// neither may be stepped while its actions are read.
//
//	token ── Acquire, Drop ──► Grant, Revoke ──► services
//	  ▲ └──── Up, Failed, Down ◄──── the same ◄─────┘ │
//	  └──── Eligibility: a required group is not ready ◄─┘
type groups struct {
	services    Services
	colocated   map[string][]string // by a group's token: those that draw it to their node
	machine     *services.Machine
	queue       []any              // services.Event and token.Event
	eligibility []groupEligibility // by the token's number
	stopped     map[string]bool
	graces      requirementGraces
	dependents  groupDependents
}

// groupEligibility is the reasons against this node for one token.
type groupEligibility struct {
	token   uint64       // its ID: a number may become another token's
	outside token.Reason // by the effector
	told    token.Reason // to the token machine, last
}

func newGroups(s Services, now clock.Instant) groups {
	return groups{services: s, colocated: colocation(s.Groups), machine: services.New(specs(s), now), stopped: map[string]bool{}, dependents: groupDependents{all: true}}
}

func specs(s Services) (list []services.Spec) {
	for _, g := range s.Groups {
		list = append(list, g.Spec)
	}
	return list
}

// group returns the number of the group that runs where the token is held.
func (g *groups) group(tokenName string) (number int, ok bool) {
	for _, one := range g.services.Groups {
		if one.Token == tokenName {
			number = g.machine.Number(one.Spec.Name)
			return number, number >= 0
		}
	}
	return 0, false
}

// Groups lets status read the machine; only Step steps it.
func (m *Machine) Groups() *services.Machine { return m.groups.machine }

// adopt goes on with a group that was found running under its token. Is that not
// held, or not any more, the group is stopped.
func (m *Machine) adopt(a services.Adopt) {
	m.queue(a)
	for _, one := range m.groups.services.Groups {
		i, ok := m.numbers[token.ID(one.Token)]
		if !ok || m.groups.machine.Number(one.Spec.Name) != a.Group {
			continue
		}
		m.runs[a.Group] = i
		if p := m.tokens.Phase(i); p != token.Taking && p != token.Holding {
			m.queue(services.Revoke{Group: a.Group})
		}
	}
}

// route tells the services of an action on a group's token; it reports
// whether that is all there is to do.
func (m *Machine) route(a token.Action) (done bool) {
	switch a := a.(type) {
	case token.Acquire:
		if g, ok := m.groups.group(m.tokens.Spec(a.Token).Name); ok {
			m.runs[g] = a.Token
			m.queue(services.Grant{Group: g, Epoch: a.Epoch})
		}
	case token.Drop:
		m.revoke(a.Token)
	case token.Announce:
		if g, ok := m.grouped(a.Token); ok {
			m.queue(services.Grant{Group: g, Epoch: a.Epoch}) // after a meeting the epoch is another
		}
		return m.ofGroup(a.Token)
	}
	return false
}

// revoke takes back the grant under the group's token. A token that is dropped before it was
// acquired has no units to stop.
func (m *Machine) revoke(number int) {
	if g, ok := m.grouped(number); ok {
		m.queue(services.Revoke{Group: g})
	} else if m.ofGroup(number) {
		m.queue(token.Down{Token: number})
	}
}

// ofGroup reports whether the token is a group's; only those stop before their release.
func (m *Machine) ofGroup(number int) bool { return m.tokens.Spec(number).StopBeforeRelease }

func (m *Machine) queue(ev any) { m.groups.queue = append(m.groups.queue, ev) }

// grouped is the group that was granted under the token.
func (m *Machine) grouped(number int) (group int, ok bool) {
	for g, t := range m.runs {
		if t == number {
			return g, true
		}
	}
	return 0, false
}

// serve steps the services.
func (m *Machine) serve(now clock.Instant, events ...services.Event) {
	for _, a := range m.groups.machine.Step(now, events...) {
		switch a := a.(type) {
		case services.Up:
			m.answerToken(a.Group, func(t int) token.Event { return token.Up{Token: t, Epoch: a.Epoch} })
		case services.Failed:
			m.answerToken(a.Group, func(t int) token.Event { return token.Failed{Token: t, Epoch: a.Epoch, Cause: token.UnitFailed} })
			m.do(a)
		case services.Down:
			m.answerToken(a.Group, func(t int) token.Event { return token.Down{Token: t} })
			delete(m.runs, a.Group) // either number may become another's
			delete(m.paused, a.Group)
		default:
			m.do(a)
		}
	}
}

func (m *Machine) answerToken(group int, ev func(int) token.Event) {
	if t, ok := m.runs[group]; ok {
		m.queue(ev(t))
	}
}

// pause has no unit started under a token whose lease has run out, kept though it may be:
// another node may have taken it. It comes before all that the services are to hear.
func (m *Machine) pause(now clock.Instant) {
	for g, t := range m.runs {
		if on := m.tokens.Phase(t) == token.Holding && !m.tokens.LeaseRuns(now, t); on != m.paused[g] {
			m.paused[g] = on
			m.groups.queue = slices.Insert(m.groups.queue, 0, any(services.Pause{Group: g, On: on}))
		}
	}
}

// settle steps tokens and services in turn until both have no more events for each other.
func (m *Machine) settle(now clock.Instant) {
	for {
		m.pause(now)
		for len(m.groups.queue) > 0 {
			if list := m.groups.next(); list != nil {
				m.serve(now, list...)
				continue
			}
			ev := m.groups.queue[0].(token.Event)
			m.groups.queue = m.groups.queue[1:]
			m.decide(now, ev)
		}
		if !m.updateGroupEligibility(now) {
			return
		}
	}
}

// next takes the events at the head of the queue for the services, up to the first
// event for the tokens.
func (g *groups) next() (list []services.Event) {
	for len(g.queue) > 0 {
		ev, ok := g.queue[0].(services.Event)
		if !ok {
			break
		}
		list, g.queue = append(list, ev), g.queue[1:]
	}
	return list
}

// updateGroupEligibility tells the token machine the reasons against this node, if they have
// changed.
func (m *Machine) updateGroupEligibility(now clock.Instant) (changed bool) {
	var news token.Batch
	for _, i := range m.dependents() {
		s := m.eligibilityOf(i)
		if r := s.outside | m.groupReasons(now, i); r != s.told {
			s.told = r
			news = append(news, token.Eligibility{Token: i, Reasons: r})
		}
	}
	if len(news) > 0 {
		m.decide(now, news)
	}
	return len(news) > 0
}

func (m *Machine) eligibilityOf(i int) *groupEligibility {
	for i >= len(m.groups.eligibility) {
		m.groups.eligibility = append(m.groups.eligibility, groupEligibility{})
	}
	s := &m.groups.eligibility[i]
	if id := m.tokens.Spec(i).ID; s.token != id {
		*s = groupEligibility{token: id}
	}
	return s
}

// groupReasons returns the services' reasons against this node for the token.
func (m *Machine) groupReasons(now clock.Instant, i int) (r token.Reason) {
	if len(m.groups.services.Groups) == 0 && len(m.groups.stopped) == 0 {
		return 0
	}
	name := m.tokens.Spec(i).Name
	if m.groups.stopped[name] {
		r |= token.Released
	}
	for _, required := range m.groups.services.Requires[name] {
		if !m.serves(now, i, required) {
			r |= token.GroupDown
		}
	}
	g, ok := m.groups.group(name)
	if !ok {
		return r
	}
	if m.groups.machine.GivenUp(g) {
		r |= token.GaveUp
	}
	if slices.ContainsFunc(m.groups.colocated[name], func(other string) bool { return m.heldElsewhere(now, other) }) {
		r |= token.Apart
	}
	return r
}

// heldElsewhere reports whether another node holds the token.
func (m *Machine) heldElsewhere(now clock.Instant, name string) bool {
	i, ok := m.numbers[token.ID(name)]
	if !ok {
		return false
	}
	holder := m.tokens.Active(now, i)
	return holder != 0 && holder != m.config.Self
}

// stopTime is how long everything that runs here may take to stop.
func (g *groups) stopTime() (most time.Duration) {
	for _, one := range g.services.Groups {
		most = max(most, one.Spec.StopTimeout*time.Duration(len(one.Spec.Units)))
	}
	return most
}
