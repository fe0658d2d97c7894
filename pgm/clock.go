package pgm

import (
	"time"

	"vipd/pgm/window"
)

// clock turns Go's monotonic time into the windows' instants.
type clock struct{ start time.Time }

// newClock starts a second after zero, so that zero can stand for "never yet".
func newClock() clock { return clock{time.Now().Add(-time.Second)} }

func (c clock) now() window.Instant { return window.Instant(time.Since(c.start)) }

// until is how long it is to t, at least 0 and at most an hour.
func (c clock) until(t window.Instant) time.Duration {
	if t == window.Never {
		return time.Hour
	}
	return max(0, min(t.Sub(c.now()), time.Hour))
}
