package window

import "time"

// Instant is a moment on the caller's monotonic clock, in nanoseconds since a
// start of the caller's choice.
type Instant int64

// Never is later than every moment.
const Never Instant = 1<<63 - 1

// Add returns the moment d later.
func (t Instant) Add(d time.Duration) Instant { return t + Instant(d) }

// Sub returns how long after u the moment is.
func (t Instant) Sub(u Instant) time.Duration { return time.Duration(t - u) }
