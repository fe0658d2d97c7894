package daemon

import (
	"sync"
	"time"

	"vipd/heartbeat/clock"
	"vipd/vipd/node"
)

// bubble is what loop and beater wait with in virtual time, where no kernel is.
type bubble struct {
	clocks
	events <-chan any // nil for a beater
	once   sync.Once
	ended  chan struct{}
}

func newBubble(k clocks, events <-chan any) *bubble {
	return &bubble{clocks: k, events: events, ended: make(chan struct{})}
}

func (b *bubble) ring() {}
func (b *bubble) stop() { b.once.Do(func() { close(b.ended) }) }

func (b *bubble) next(deadline clock.Instant) any {
	timer := time.NewTimer(b.until(deadline))
	defer timer.Stop()
	select {
	case <-b.ended:
		return nil
	case ev := <-b.events:
		return ev
	case <-timer.C:
		return node.Tick{}
	}
}

// move leaves the wait as it is: a beater that wakes early finds nothing due.
func (b *bubble) move(clock.Instant) {}

func (b *bubble) wait(at clock.Instant) bool { return b.next(at) != nil }
