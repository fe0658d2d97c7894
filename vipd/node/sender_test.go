package node

import (
	"testing"
	"time"

	"vipd/heartbeat"
	"vipd/heartbeat/clock"
	"vipd/token"
)

// A restart extends the leases that run, and none that has run out.
func TestExtendRevivesNothing(t *testing.T) {
	const ms = time.Millisecond
	at := func(d time.Duration) clock.Instant { return clock.Instant(time.Hour + d) }
	s := NewSender(heartbeat.Config{Peers: []uint8{2}, Interval: 50 * ms, Dead: 150 * ms, Lease: 120 * ms}, at(0))
	s.Grant(token.Lease{Token: 0, Limit: clock.Never, Epoch: 1}, at(0))
	s.Grant(token.Lease{Token: 1, Limit: at(30 * ms), Epoch: 1}, at(0))
	written := map[int]clock.Instant{}
	s.Extend(at(40*ms), at(2*time.Second), func(i int, until clock.Instant) { written[i] = until })
	if len(written) != 1 || written[0] != at(2*time.Second) {
		t.Errorf("extended %v", written)
	}
}
