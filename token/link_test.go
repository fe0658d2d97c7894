package token

import (
	"testing"
	"time"

	"vipd/heartbeat/clock"
)

// A link has a name in every moment, and only one that is silent both ways binds nothing.
func TestLinkStates(t *testing.T) {
	m := holder(t, spec("vip:front", 0)) // the last echo is of 1 ms
	expect := func(after int, ev Event, state LinkState) {
		t.Helper()
		now := at(time.Duration(after) * ms)
		if ev != nil {
			m.Step(now, ev)
		}
		if got := m.Link(now, 2); got != state {
			t.Errorf("after %d ms: %v, not %v", after, got, state)
		}
		if bound := m.Status(now, 0).Limit != clock.Never; bound == (state == SilentBothWays) {
			t.Errorf("after %d ms: %v, and the lease has an end: %v", after, state, bound)
		}
	}
	deaf := idle(m, at(50*ms))
	deaf.Echoed = 0
	expect(50, deaf, Fresh)
	expect(58, SessionPending{Peer: 2, Later: true}, Fresh)
	expect(75, Tick{}, Fresh)
	expect(77, nil, Pending)            // 1.5 I without an echo
	expect(119, Tick{}, Querying)       // 1.2 I after the last sound: what came by this step may be unread
	expect(120, Tick{}, SilentBothWays) // nothing was left to read
	expect(130, SessionPending{Peer: 2, Later: true}, Pending)
	expect(140, idle(m, at(140*ms)), Fresh)
}
