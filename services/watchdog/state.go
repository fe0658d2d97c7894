package watchdog

import "time"

// Times of a guard.
const (
	// Grace is how long after its expiry a group is killed: in that time the daemon
	// stops the group itself, in order, if it can.
	Grace = time.Second
	// MaxAhead is how far ahead an expiry may be; one farther ahead is refused.
	MaxAhead = time.Hour
)

// Status is the state of a guard.
type Status uint8

// Statuses. A row that is none of these is free.
const (
	free    Status = iota
	Armed          // guarded: killed Grace after the expiry
	Killing        // about to be killed, or the kernel refuses, which is tried again
	Killed         // killed; a process that enters the group later is killed too
	Refused        // not guarded: the watchdog will not act on the row, and has logged why
)

func (s Status) String() string {
	switch s {
	case Armed:
		return "guarded"
	case Killing:
		return "being killed"
	case Killed:
		return "killed"
	case Refused:
		return "refused"
	}
	return "free"
}

// state is a row's status and, above it, its generation, which grows each time the
// row is armed.
type state uint64

const generationShift = 8

func (s state) status() Status        { return Status(s & (1<<generationShift - 1)) }
func (s state) generation() uint64    { return uint64(s) >> generationShift }
func (s state) become(x Status) state { return s>>generationShift<<generationShift | state(x) }

// armed is the state of the row's next guard.
func (s state) armed() state { return (s>>generationShift+1)<<generationShift | state(Armed) }
