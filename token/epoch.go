package token

import (
	"time"

	"vipd/heartbeat/clock"
)

// Counters are reserved on disk this far ahead, so that no grant waits for it.
const (
	reserveAhead = 1000
	reserveLow   = 500
	reserveRetry = time.Second
)

// epochs hands out fencing numbers: counter<<8 | slot. They are unique even if
// both sides of a cut grant, and grow across restarts because the disk knows a
// counter that none went beyond.
type epochs struct {
	reserved uint64 // counters up to here may be granted
	asked    uint64 // being reserved, 0 if nothing
	retry    clock.Instant
}

// after returns the counter that follows the seen epoch.
func (e *epochs) after(seen uint64) uint64 { return Counter(seen) + 1 }

// left reports whether a grant after seen is within what is reserved.
func (e *epochs) left(seen uint64) bool { return e.after(seen) <= e.reserved }

func (e *epochs) answer(now clock.Instant, r Reserved) {
	if r.OK {
		e.reserved, e.asked, e.retry = max(e.reserved, r.HighWater), 0, 0
		return
	}
	e.retry = now.Add(reserveRetry)
}

// reserve asks the disk for more counters when they run low.
func (m *Machine) reserve(now clock.Instant) {
	e := &m.epochs
	need := uint64(0)
	for i := range m.tokens {
		need = max(need, Counter(m.tokens[i].seen))
	}
	if need+reserveLow <= e.reserved {
		return
	}
	if e.retry != 0 && !m.reached(now, e.retry) || e.asked >= need+reserveLow && e.retry == 0 {
		return
	}
	e.asked, e.retry = need+reserveAhead, 0
	m.do(Reserve{HighWater: e.asked})
}

// grant makes the token's next epoch.
func (m *Machine) grant(t *state) {
	t.epoch = m.epochs.after(t.seen)<<8 | uint64(m.config.Self)
	t.seen = t.epoch
}
