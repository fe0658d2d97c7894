package token

import (
	"time"

	"vipd/heartbeat/clock"
)

// Fencing numbers: counter<<8 | slot. A grant's counter is
//
//	max(largest seen or reserved + 1, floor)
//
// where floor is the time of day in eighths of a second since 2026, used only while the
// clock is trusted. So a node that was down, cut off or lost its state grants above
// every grant of another node meanwhile. The slot makes them unique even if both sides of a
// cut grant; the disk knows a counter that no grant went beyond, and makes them grow
// across restarts of a node whose clock is not trusted.
const (
	floorRate    = 8                           // counters a second
	maxCounter   = 1<<45 - 1                   // so that an epoch stays below 2^53
	farAhead     = 365 * 24 * 3600 * floorRate // a peer's counter that is so far ahead of all else is refused
	headroom     = 1 << 40                     // and one that leaves so few, where no clock tells more
	reserveAhead = 1000                        // counters reserved at once, so that no grant waits for the disk
	timedAhead   = 5 * 60 * floorRate          // the same for as long as they follow the clock
	timedSlack   = 3 * floorRate               // a grant that follows the clock is no further ahead of it
	startSlack   = floorRate                   // an earlier run may have granted so far ahead
	reserveRetry = time.Second
)

// epochs hands out fencing numbers.
type epochs struct {
	reserved ReserveEpochs // counters up to its high water may be granted
	asked    ReserveEpochs // being reserved, or zero
	most     uint64        // of all requests: the disk keeps the newest request
	retry    clock.Instant
	failed   bool // the disk refused the last
	floor    ClockFloor
	floorAt  clock.Instant
}

// at is the counter that the clock allows at least, 0 if it is not trusted.
func (e *epochs) at(now clock.Instant) uint64 {
	if !e.floor.Trusted {
		return 0
	}
	return min(e.floor.Floor+uint64(now.Sub(e.floorAt)/(time.Second/floorRate)), maxCounter)
}

// after returns the counter of a grant at now that follows the seen epoch. With a disk
// that fails, the older reservation is used: an epoch behind the clock is better than none.
func (e *epochs) after(now clock.Instant, seen uint64) uint64 {
	floor := e.at(now)
	if e.failed {
		floor = min(floor, e.reserved.HighWater)
	}
	return max(Counter(seen)+1, floor)
}

// left reports whether a grant after seen is within the reservation.
func (e *epochs) left(now clock.Instant, seen uint64) bool {
	next := e.after(now, seen)
	return next <= min(e.reserved.HighWater, maxCounter) && (!e.reserved.Timed || e.follows(now, next))
}

// follows reports whether the counter is not ahead of a trusted clock.
func (e *epochs) follows(now clock.Instant, counter uint64) bool {
	floor := e.at(now)
	return floor != 0 && counter <= floor+timedSlack
}

// believes reports whether a peer's counter may be true. A counter that is a year ahead of the
// clock and of all counters seen here would use up the range.
func (e *epochs) believes(now clock.Instant, counter, seen uint64) bool {
	floor := e.at(now)
	if floor == 0 {
		return counter < maxCounter-headroom
	}
	return counter <= min(max(floor, seen)+farAhead, maxCounter-1)
}

func (e *epochs) answer(now clock.Instant, r EpochsReserved) {
	e.failed = !r.OK
	if e.failed {
		e.retry = now.Add(reserveRetry)
		return
	}
	if r.HighWater >= e.reserved.HighWater {
		e.reserved = ReserveEpochs{HighWater: r.HighWater, Timed: r.Timed}
	}
	e.asked, e.retry = ReserveEpochs{}, 0
}

// reserve asks the disk for more counters when they run low, or when those that follow
// the clock are to run ahead of it.
func (m *Machine) reserve(q *query) {
	e := &m.epochs
	need := e.after(q.now, m.highest())
	timed := e.follows(q.now, need)
	ahead := uint64(reserveAhead)
	if timed {
		ahead = timedAhead
	}
	if need-1+ahead/2 <= e.reserved.HighWater && (timed || !e.reserved.Timed) || need > maxCounter {
		return
	}
	if e.retry != 0 && !q.reached(e.retry) || e.asked.HighWater >= need-1+ahead/2 && e.asked.Timed == timed && e.retry == 0 {
		return
	}
	e.most = min(max(need-1+ahead, e.reserved.HighWater, e.most), maxCounter)
	e.asked, e.retry = ReserveEpochs{HighWater: e.most, Timed: timed}, 0
	m.do(e.asked)
}

// grant makes the token's next epoch.
func (m *Machine) grant(now clock.Instant, t *state) {
	t.epoch = m.epochs.after(now, t.seen)<<8 | uint64(m.config.Self)
	t.seen = t.epoch
}

// witness takes the epochs that a peer's claim of the token speaks of. One that can't be
// true is refused, and told once.
func (m *Machine) witness(now clock.Instant, t *state, i int) {
	v := &t.claims[i]
	highest := max(v.Epoch, v.Seen)
	if m.epochs.believes(now, Counter(highest), Counter(t.seen)) {
		t.seen = max(t.seen, highest)
		v.refused = 0
		return
	}
	if v.refused != highest {
		v.refused = highest
		m.do(EpochRefused{Token: t.number, Peer: m.peers[i].slot, Epoch: highest})
	}
}
