package daemon

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"vipd/heartbeat/clock"
)

// clocks are where the daemon's parts read the time.
type clocks struct {
	boot func() clock.Instant // of every decision
	wall func() clock.Wall    // for the clock check alone
}

// kernelClocks are the host's own.
var kernelClocks = clocks{boot: bootNow, wall: wallNow}

// bootNow reads CLOCK_BOOTTIME. It does not wait, so the scheduler need not know: being
// told of a system call, it wakes the runtime's watching thread of an idle program.
func bootNow() clock.Instant {
	var t unix.Timespec
	if _, _, errno := unix.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_BOOTTIME, uintptr(unsafe.Pointer(&t)), 0); errno != 0 {
		panic("daemon: no boot-time clock: " + errno.Error()) // every Linux since 2.6.39 has it
	}
	return clock.Instant(t.Nano())
}

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
