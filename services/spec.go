package services

import "time"

// Bounds of one machine. Order refuses what goes beyond the first four.
const (
	MaxGroups   = 256
	MaxUnits    = 16 // of a group
	MaxChecks   = 16 // of a group
	MaxAttempts = 100

	// StopAgain is how long after a failed stop the next one is ordered.
	StopAgain = 5 * time.Second
	// Patience is how long beyond StartGrace a unit may take to start, and after
	// that the checks to be healthy. Service managers give up after 90 s.
	Patience = 5 * time.Minute
	// Settle is how long a group that comes after others waits for their grants:
	// the tokens of one node are taken one by one, in any order.
	Settle = 200 * time.Millisecond
	// Memory is for how long at least a group that was given up remembers it. A
	// peer that has the group meanwhile may take its time to fail with it.
	Memory = time.Hour
)

// Spec describes one group.
type Spec struct {
	Name        string
	Units       []string // in start order; stopping goes the other way
	After       []string // groups that must be Running first, if this node has their grant
	Checks      []Check
	StartGrace  time.Duration // from the last unit's start: a check that was not healthy yet may fail; Patience is counted from its end
	Restart     Allowance
	StopTimeout time.Duration // a unit's own; the machine adds StopAgain before it takes silence for a failure
}

// Check says when a check is believed. A count below 1 means 1.
type Check struct {
	Name string
	Rise int // successes in a row that make it healthy
	Fall int // failures in a row that make a healthy one sick
}

// Allowance is how many local restarts a group has. A restart is forgiven
// Within after it, though only while the group is Running: a start that takes
// long to fail must not live on forgiveness. With Within 0 none is forgiven.
type Allowance struct {
	Attempts int
	Within   time.Duration
}

// State is how a group, or one unit of it, is doing here.
type State uint8

// The states of a group; a unit has all but Failing. Two words differ from the
// names, which an event and an action have.
const (
	Idle     State = iota // "stopped": nothing of it is here
	Starting              // waiting for other groups, starting units, or not healthy yet
	Running               // all units run, no check is sick
	Failing               // something failed; what is left is being stopped
	Stopping              // ordered to stop: by the token, an operator or a new configuration
	Blocked               // something does not stop
	Broken                // "failed": a group that was given up, nothing of it is left; a unit that died or could not start, and may have left something
)

// String returns the word that status shows.
func (s State) String() string {
	if s > Broken {
		return "unknown"
	}
	return [...]string{"stopped", "starting", "running", "failing", "stopping", "blocked", "failed"}[s]
}
