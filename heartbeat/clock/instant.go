// Package clock holds the two times that the product knows and never mixes.
//
// An Instant counts on one host's boot-time clock: every timeout, lease and
// order of events uses it. A Wall is the time of day, read for one purpose
// only: to tell how far two hosts' clocks are apart (Estimator). Instants of
// two hosts cannot be compared, so no function here takes both.
//
//	exchange:   ours  s ──────────────► r2 theirs
//	            ours r4 ◄────────────── s3 theirs
//	            offset = ((r2 − s) + (s3 − r4)) / 2, doubt = round trip / 2
//
// The package is pure: it never reads a clock.
package clock

import (
	"math"
	"time"
)

// Instant is a moment on this host's CLOCK_BOOTTIME, in nanoseconds since boot.
// It goes on through suspend and never jumps.
type Instant int64

// Never is later than every moment that can come.
const Never Instant = math.MaxInt64

// Add returns the instant d later; Never stays Never.
func (i Instant) Add(d time.Duration) Instant {
	if i == Never {
		return Never
	}
	return i + Instant(d)
}

// Sub returns the time from u to i.
func (i Instant) Sub(u Instant) time.Duration { return time.Duration(i - u) }

// Min returns the earlier of the two.
func Min(a, b Instant) Instant { return min(a, b) }

// Wall is a time of day in nanoseconds since 1970-01-01 UTC, as one host's
// real-time clock has it.
type Wall int64

// Sub returns the time from u to w. It means something only between two
// readings of clocks that are believed to agree.
func (w Wall) Sub(u Wall) time.Duration { return time.Duration(w - u) }
