package sim

import (
	"fmt"
	"reflect"
	"slices"

	"vipd/heartbeat/clock"
	"vipd/token"
	"vipd/vipd/node"
)

// twins step beside each node's machine another one that is told the same and asks its
// rules of every token in every step. Both must answer alike: a step leaves out what has
// not changed, and nothing else.
type twins struct {
	of   map[*Host]*node.Machine
	fail func(format string, args ...any)
}

// start gives the host's new machine its twin.
func (t *twins) start(h *Host, c node.Config, now clock.Instant) {
	if t != nil {
		c.DecideAll = true
		t.of[h] = node.New(c, now)
	}
}

// step has the twin take the same step, and compares.
func (t *twins) step(h *Host, now clock.Instant, ev node.Event, actions []node.Action) {
	if t == nil {
		return
	}
	twin := t.of[h]
	mine, leases := sorted(actions)
	theirs, leasesOfTwin := sorted(twin.Step(now, ev))
	switch {
	case !reflect.DeepEqual(mine, theirs):
		t.fail("%s at %T: %s, its twin: %s", h.Name, ev, text(mine), text(theirs))
	case !slices.Equal(leases, leasesOfTwin):
		t.fail("%s at %T: leases %+v, its twin's %+v", h.Name, ev, leases, leasesOfTwin)
	case h.machine.Deadline() != twin.Deadline():
		t.fail("%s at %T: wakes up in %v, its twin in %v", h.Name, ev, h.machine.Deadline().Sub(now), twin.Deadline().Sub(now))
	}
	if n := twin.Tokens().Tokens(); n > 0 {
		i := h.Steps % n // one at a time: there may be many
		if a, b := h.machine.Tokens().Status(now, i), twin.Tokens().Status(now, i); !reflect.DeepEqual(a, b) {
			t.fail("%s at %T: token %d is %+v, its twin's %+v", h.Name, ev, i, a, b)
		}
	}
}

// sorted returns the leases by token, and all other actions as they are.
func sorted(actions []node.Action) (others []node.Action, leases []token.Lease) {
	for _, a := range actions {
		switch a := a.(type) {
		case token.Lease:
			leases = append(leases, a)
		case *token.Leases:
			leases = append(leases, a.List...)
		default:
			others = append(others, a)
		}
	}
	slices.SortStableFunc(leases, func(a, b token.Lease) int { return a.Token - b.Token })
	return others, leases
}

func text(actions []node.Action) (s string) {
	for _, a := range actions {
		s += fmt.Sprintf("%T%+v ", a, a)
	}
	return s
}
