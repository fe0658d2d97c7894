package boot

import (
	"time"

	"golang.org/x/sys/unix"

	"vipd/heartbeat/clock"
)

// Clocks are the two clocks that a part of the daemon reads; a test replaces them.
type Clocks struct {
	Now  func() clock.Instant // boot time, for every decision
	Wall func() clock.Wall    // time of day, for the check of peers' clocks alone
}

// Kernel are the host's own clocks.
var Kernel = Clocks{Now: Now, Wall: wallNow}

// wallNow reads the time of day.
func wallNow() clock.Wall { return clock.Wall(time.Now().UnixNano()) }

// Until is how long a timer must run for the instant, at least 0.
func (c Clocks) Until(i clock.Instant) time.Duration {
	const longest = time.Hour
	return min(max(i.Sub(c.Now()), 0), longest)
}

// Synchronised reports whether the kernel calls its clock synchronised.
func Synchronised() bool {
	const unsynchronised = 5 // TIME_ERROR of adjtimex(2)
	state, err := unix.Adjtimex(&unix.Timex{})
	return err == nil && state != unsynchronised
}
