package sim

import (
	"fmt"
	"strings"
	"time"

	"vipd/token"
)

// Plan is a configuration and a list of faults: what a seed draws, or a story
// writes down.
type Plan struct {
	Seed          uint64
	Class         Class
	Nodes         int
	Paths         int
	Tokens        int
	Interval      time.Duration
	Tolerance     int
	Priority      []int
	Bits          []token.Bits
	FailbackDelay time.Duration
	FailbackCap   int
	Drift         []int64 // ppm, by node
	StartWait     time.Duration
	StartSpread   time.Duration // the last node starts so long after the first
	Foreign       bool          // the LAN has frames of others
	ForeignAfter  time.Duration
	Delay         time.Duration // of every link, 20 µs if 0
	Duplicate     int           // of 1000
	HandsFail     int           // of 1000
	HandsTime     time.Duration
	DiskTime      time.Duration
	Askable       bool // the gate is in use: the LAN can be asked who has an address
	Frameless     bool // but it carries no heartbeats
	Crowded       bool // one of a holder's addresses is asked for at a time, for all of them
	Groups        []Group
	Requires      [][]int // by vip: the groups that it needs
	Faults        []Fault
	Whole         bool // played to the end, however early all is well
	Extras        Extras
	Linger        time.Duration // of groups: a taker on silence waits so much longer
	Late          []Late
	Files         []File // by node, nil: all as above
	Clocked       bool   // the daemons are told the time of day, and may trust it
	Unsynced      []bool // by node, nil: every clock is synchronised
	Follow        bool   // the second of two nodes beats when the first has, as daemons do
}

// Class is what kind of schedule a plan is.
type Class uint8

// The classes.
const (
	Storm   Class = iota // any faults, any time
	Blinks               // total cuts of at most a second, without failback: nothing may move
	Errands              // an operator's moves, with nothing else wrong: each must succeed
	classes
)

// String returns the name used in printed plans.
func (c Class) String() string { return [...]string{"storm", "blinks", "errands"}[c] }

// startWait is what the daemons are told to wait on a network that says nothing. Where
// it speaks, nothing waits so long.
func (p *Plan) startWait() time.Duration {
	if p.Foreign {
		return 30 * p.StartWait
	}
	return p.StartWait
}

// Dead is the dead time D.
func (p *Plan) Dead() time.Duration { return p.Interval * time.Duration(p.Tolerance) }

// lans is how many paths over the clients' network there are: where it can be asked, it
// carries heartbeats too, unless it drops them.
func (p *Plan) lans() uint8 {
	if p.Askable && !p.Frameless {
		return 1
	}
	return 0
}

// Lease is L.
func (p *Plan) Lease() time.Duration { return p.Dead() * 4 / 5 }

// Fault is one disturbance: it begins at At and is over after For.
type Fault struct {
	At, For time.Duration
	Kind    FaultKind
	A, B    int // nodes
	Paths   int // mask
	Amount  int
	Lag     time.Duration // from a start to a crash
	How     int           // which way of it
}

// FaultKind names a disturbance.
type FaultKind uint8

// The disturbances.
const (
	Crash        FaultKind = iota // daemon killed, started again after For
	Reboot                        // host dead for For
	Freeze                        // daemon stopped for For
	Terminate                     // SIGTERM, started again after For
	Restart                       // vipd restart
	CutOne                        // A→B
	CutBoth                       // A↔B
	CutTail                       // A↔B, but A→B heals Amount ms later
	Isolate                       // A from everybody
	CutAll                        // everybody from everybody
	Lossy                         // all links lose Amount of 1000
	Slow                          // all links are late by up to Amount ms
	LinkLoss                      // the resource's link on A
	SickCheck                     // a soft reason on A
	Suspension                    // A
	MoveTo                        // operator: token Amount to A
	MuteCrash                     // A's last sends are lost, then it is killed
	DiskFull                      // on A
	Reload                        // A's configuration lacks token Amount
	ClockStep                     // A's wall clock jumps by Amount ms
	Unwanted                      // Release Requested on A for token Amount
	Clumsy                        // A's hands can't put anything up
	GroupSick                     // A's check of group Amount fails
	GroupHung                     // A's check of group Amount gives no answer in time
	UnitDeath                     // a unit of group Amount dies on A
	CrashLoop                     // units of group Amount on A die Lag after each start
	CrashLoops                    // the same everywhere
	StartFails                    // units of group Amount can't be started on A
	SlowStart                     // units of group Amount take a second more to start on A
	Unstoppable                   // units of group Amount can't be stopped on A
	HaltOrder                     // operator: group Amount stays away from A
	RenewOrder                    // operator: group Amount stops and starts on A
	Reshape                       // A's configuration has another unit in group Amount
	Replay                        // recorded datagrams of earlier sessions come to A, Amount a second
	ReplayOne                     // one of them does
	StateLost                     // A's daemon is killed and its disk lost, its clock trusted or not; started again after For
	ReloadAny                     // A's file changes as How says, of token Amount
	DiskLost                      // A's daemon is killed and its state file lost
	ForceTake                     // A's daemon is killed and an operator has B take token Amount
	Answerer                      // A is dead, and something answers for token Amount in its place
	Unable                        // A can't have addresses, and knows
	TakeFails                     // A can't put an address up, and learns it by trying
	UndoRefused                   // A can't remove an address
	LeaseRefused                  // A's kernel takes no lease
	kinds
)

var kindNames = [...]string{"crash", "reboot", "freeze", "terminate", "restart", "cut-one", "cut-both", "cut-tail", "isolate", "cut-all",
	"lossy", "slow", "link-loss", "sick-check", "suspend", "move", "mute-crash", "disk-full", "reload", "clock-step", "unwanted", "clumsy",
	"group-sick", "group-hung", "unit-death", "crash-loop", "crash-loops", "start-fails", "slow-start", "unstoppable", "halt-order", "renew-order", "reshape",
	"replay", "replay-one", "state-lost",
	"reload-any", "disk-lost", "force-take", "answerer", "unable", "take-fails", "undo-refused", "lease-refused"}

// String returns the name used in printed plans.
func (k FaultKind) String() string { return kindNames[k] }

// String writes the plan down so that a person can follow it.
func (p *Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %v, %d nodes, %d paths, I %v × %d, priorities %v, bits %v, failback after %v at most %d/h, drift %v ppm\n",
		p.Seed, p.Class, p.Nodes, p.Paths, p.Interval, p.Tolerance, p.Priority, p.Bits, p.FailbackDelay, p.FailbackCap, p.Drift)
	fmt.Fprintf(&b, "  start spread %v, foreign frames %v, start wait %v, hands %v (%d‰ fail), disk %v\n",
		p.StartSpread, p.Foreign, p.StartWait, p.HandsTime, p.HandsFail, p.DiskTime)
	for i, g := range p.Groups {
		fmt.Fprintf(&b, "  group %d: %+v\n", i, g)
	}
	fmt.Fprintf(&b, "  requires %v, %d tokens, crowded %v, beats together %v\n", p.Requires, p.Tokens, p.Crowded, p.Follow)
	if p.Extras != 0 {
		fmt.Fprintf(&b, "  extras %v: linger %v, late %+v, files %+v, unsynchronised %v\n", p.Extras, p.Linger, p.Late, p.Files, p.Unsynced)
	}
	for _, f := range p.Faults {
		fmt.Fprintf(&b, "  at %v for %v: %v a=%c b=%c paths=%b amount=%d lag=%v how=%d\n", f.At, f.For, f.Kind, 'a'+f.A, 'a'+f.B, f.Paths, f.Amount, f.Lag, f.How)
	}
	return b.String()
}
