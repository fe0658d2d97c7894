package daemon

import (
	"sync"
	"time"

	"vipd/heartbeat/clock"
	"vipd/host/boot"
	"vipd/vipd/node"
)

// bubble is what loop and beater wait with in virtual time, where no kernel is.
type bubble struct {
	boot.Clocks
	events <-chan any // nil for a sender loop
	once   sync.Once
	ended  chan struct{}
}

func newBubble(k boot.Clocks, events <-chan any) *bubble {
	return &bubble{Clocks: k, events: events, ended: make(chan struct{})}
}

func (b *bubble) Ring() {}
func (b *bubble) Stop() { b.once.Do(func() { close(b.ended) }) }

func (b *bubble) Next(deadline clock.Instant) any {
	timer := time.NewTimer(b.Until(deadline))
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

// Move leaves the wait as it is: a sender loop that wakes early finds nothing due.
func (b *bubble) Move(clock.Instant) {}

func (b *bubble) Wait(at clock.Instant) bool { return b.Next(at) != nil }
