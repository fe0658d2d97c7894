package node

import (
	"slices"

	"vipd/token"
)

// groupDependents are the tokens whose eligibility may have changed by the services or by an
// effector's report. A token that needs no group and is no group's is among them only after
// an event of its own, or after a change by an operator or by the file.
type groupDependents struct {
	all   bool
	bound []int // those that a group has to do with
	fresh []int // those of which an effector has reported
	list  []int
}

// dependents returns the tokens to be judged now, in the order of their numbers.
func (m *Machine) dependents() []int {
	c := &m.groups.dependents
	c.list = c.list[:0]
	if c.all || m.config.DecideAll {
		c.bound = c.bound[:0]
		for i := range m.tokens.Tokens() {
			c.list = append(c.list, i)
			name := m.tokens.Spec(i).Name
			if _, ok := m.groups.group(name); ok || len(m.groups.services.Requires[name]) > 0 {
				c.bound = append(c.bound, i)
			}
		}
	} else if len(c.fresh) == 0 {
		c.list = append(c.list, c.bound...)
	} else {
		c.list = append(append(c.list, c.bound...), c.fresh...)
		slices.Sort(c.list)
		c.list = slices.Compact(c.list)
	}
	c.all, c.fresh = false, c.fresh[:0]
	return c.list
}

// tellEligibility notes an effector's reasons against the token.
func (m *Machine) tellEligibility(f token.Eligibility) {
	m.eligibilityOf(f.Token).outside = f.Reasons
	m.groups.dependents.fresh = append(m.groups.dependents.fresh, f.Token)
}
