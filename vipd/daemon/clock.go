package daemon

import (
	"time"

	"golang.org/x/sys/unix"

	"vipd/heartbeat/clock"
	"vipd/host/boot"
)

// clocks are where the daemon's parts read the time.
type clocks struct {
	boot func() clock.Instant // of every decision
	wall func() clock.Wall    // for the clock check alone
}

// kernelClocks are the host's own.
var kernelClocks = clocks{boot: boot.Now, wall: wallNow}

// wallNow reads the time of day.
func wallNow() clock.Wall { return clock.Wall(time.Now().UnixNano()) }

// until is how long a timer must run for the instant, at least 0.
func (c clocks) until(i clock.Instant) time.Duration {
	const longest = time.Hour
	return min(max(i.Sub(c.boot()), 0), longest)
}

// synchronised reports whether the kernel calls its clock synchronised.
func synchronised() bool {
	const unsynchronised = 5 // TIME_ERROR of adjtimex(2)
	state, err := unix.Adjtimex(&unix.Timex{})
	return err == nil && state != unsynchronised
}
