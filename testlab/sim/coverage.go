package sim

import (
	"fmt"
	"strings"

	"vipd/heartbeat"
	"vipd/services"
	"vipd/token"
)

// Coverage counts how often things were reached; a zero over many schedules
// means that something is not tested at all.
type Coverage struct {
	Classes  [classes]int
	Faults   [kinds]int
	Extras   [len(extraNames)]int // plans
	Shapes   [shapes]int
	Moves    [4][4]int // of a token's phase: from, to
	Causes   [token.UnitFailed + 1]int
	Verbs    [token.Yield + 1]int
	States   [heartbeat.Restarting + 1]int
	Reasons  [32]int
	Replies  [token.NotTaken + 1]int
	Duals    int                      // answers of two nodes that the mode allows
	Groups   [services.Broken + 1]int // states of groups
	Events   [groupEvents]int
	Replayed int // datagrams
}

// Add adds another's counts.
func (c *Coverage) Add(o *Coverage) {
	add(c.Classes[:], o.Classes[:])
	add(c.Faults[:], o.Faults[:])
	add(c.Extras[:], o.Extras[:])
	add(c.Shapes[:], o.Shapes[:])
	for i := range c.Moves {
		add(c.Moves[i][:], o.Moves[i][:])
	}
	add(c.Causes[:], o.Causes[:])
	add(c.Verbs[:], o.Verbs[:])
	add(c.States[:], o.States[:])
	add(c.Reasons[:], o.Reasons[:])
	add(c.Replies[:], o.Replies[:])
	c.Duals += o.Duals
	add(c.Groups[:], o.Groups[:])
	add(c.Events[:], o.Events[:])
	c.Replayed += o.Replayed
}

func add(a, b []int) {
	for i := range a {
		a[i] += b[i]
	}
}

// moves are the ways of a token's phase that exist.
var moves = [...][2]token.Phase{
	{token.Idle, token.Taking}, {token.Idle, token.Holding}, {token.Taking, token.Holding}, {token.Taking, token.Dropping},
	{token.Holding, token.Dropping}, {token.Dropping, token.Idle},
}

// reached lists by name what was counted, in the order of the fields.
func (c *Coverage) reached() (list []named) {
	for i, n := range c.Classes {
		list = append(list, named{"class " + Class(i).String(), n, 0})
	}
	for i, n := range c.Faults {
		list = append(list, named{"fault " + FaultKind(i).String(), n, FaultKind(i).extra()})
	}
	for i, n := range c.Extras {
		list = append(list, named{"plan with " + extraNames[i], n, 1 << i})
	}
	for i, n := range c.Shapes {
		list = append(list, named{"plan: " + Shape(i).String(), n, 0})
	}
	for _, m := range moves {
		list = append(list, named{fmt.Sprintf("%v→%v", m[0], m[1]), c.Moves[m[0]][m[1]], 0})
	}
	for i := token.PeerSilent; i <= token.UnitFailed; i++ {
		list = append(list, named{"cause " + i.String(), c.Causes[i], 0})
	}
	for i := token.Silent; i <= token.Yield; i++ {
		list = append(list, named{"verb " + i.String(), c.Verbs[i], 0})
	}
	for i := heartbeat.Starting; i <= heartbeat.Restarting; i++ {
		list = append(list, named{"node " + i.String(), c.States[i], 0})
	}
	for i, n := range c.Reasons {
		r := token.Reason(1) << i
		if words := r.Words(); len(words) > 0 {
			list = append(list, named{"reason " + words[0], n, extraReasons[r]})
		}
	}
	for i, n := range c.Groups {
		list = append(list, named{"group " + services.State(i).String(), n, 0})
	}
	for i, n := range c.Events {
		list = append(list, named{groupEvent(i).String(), n, 0})
	}
	return append(list, named{"two holders beyond a cut", c.Duals, 0}, named{"replayed datagram", c.Replayed, 0})
}

type named struct {
	name string
	n    int
	by   Extras // any of which reaches it; 0: every plan may
}

// extra is what draws the disturbance.
func (k FaultKind) extra() Extras {
	switch k {
	case ReloadAny:
		return Reloads
	case DiskLost:
		return LostState
	case ForceTake:
		return Force
	case Answerer:
		return Proxy
	case Unable, TakeFails, UndoRefused:
		return Hands
	case LeaseRefused:
		return Unarmed
	}
	return 0
}

// extraReasons are the extras without which a reason never speaks against a node.
var extraReasons = map[token.Reason]Extras{token.Unable: Hands, token.TakeFailed: Hands | Unarmed, token.LeaseOpen: Unarmed}

// String writes every count, several to a line.
func (c *Coverage) String() string {
	var b strings.Builder
	for i, x := range c.reached() {
		if i%6 == 0 {
			b.WriteString("\n  ")
		}
		fmt.Fprintf(&b, "%s %d; ", x.name, x.n)
	}
	return b.String()
}

// Missing names what was never reached with the extras.
func (c *Coverage) Missing(on Extras) (list []string) {
	for _, x := range c.reached() {
		if x.n == 0 && (x.by == 0 || x.by&on != 0) {
			list = append(list, x.name)
		}
	}
	return list
}
