package daemon

import (
	"time"

	"golang.org/x/sys/unix"

	"vipd/heartbeat/clock"
)

// bootNow reads CLOCK_BOOTTIME, the clock of every decision.
func bootNow() clock.Instant {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic("daemon: no boot-time clock: " + err.Error()) // every Linux since 2.6.39 has it
	}
	return clock.Instant(t.Nano())
}

// wallNow reads the time of day, which serves the clock check alone.
func wallNow() clock.Wall { return clock.Wall(time.Now().UnixNano()) }

// synchronised reports whether the kernel calls its clock synchronised.
func synchronised() bool {
	const unsynchronised = 5 // TIME_ERROR of adjtimex(2)
	state, err := unix.Adjtimex(&unix.Timex{})
	return err == nil && state != unsynchronised
}

// until is how long a timer must run for the instant, at least 0.
func until(i clock.Instant) time.Duration {
	const longest = time.Hour
	return min(max(i.Sub(bootNow()), 0), longest)
}
