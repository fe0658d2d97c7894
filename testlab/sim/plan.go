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
	Duplicate     int // of 1000
	HandsFail     int // of 1000
	HandsTime     time.Duration
	DiskTime      time.Duration
	Faults        []Fault
	Calm          time.Duration // after the last fault
}

// Dead is the dead time D.
func (p *Plan) Dead() time.Duration { return p.Interval * time.Duration(p.Tolerance) }

// Lease is L.
func (p *Plan) Lease() time.Duration { return p.Dead() * 4 / 5 }

// Fault is one disturbance: it begins at At and is over after For.
type Fault struct {
	At, For time.Duration
	Kind    FaultKind
	A, B    int // nodes
	Paths   int // mask
	Amount  int
}

// FaultKind names a disturbance.
type FaultKind uint8

// The disturbances.
const (
	Crash      FaultKind = iota // daemon killed, started again after For
	Reboot                      // host dead for For
	Freeze                      // daemon stopped for For
	Terminate                   // SIGTERM, started again after For
	Restart                     // vipd restart
	CutOne                      // A→B
	CutBoth                     // A↔B
	CutTail                     // A↔B, but A→B heals Amount ms later
	Isolate                     // A from everybody
	CutAll                      // everybody from everybody
	Lossy                       // all links lose Amount of 1000
	Slow                        // all links are late by up to Amount ms
	LinkLoss                    // the resource's link on A
	SickCheck                   // a soft reason on A
	Suspension                  // A
	MoveTo                      // operator: token Amount to A
	MuteCrash                   // A's last sends are lost, then it is killed
	DiskFull                    // on A
	kinds
)

var kindNames = [...]string{"crash", "reboot", "freeze", "terminate", "restart", "cut-one", "cut-both", "cut-tail", "isolate", "cut-all",
	"lossy", "slow", "link-loss", "sick-check", "suspend", "move", "mute-crash", "disk-full"}

// String returns the name used in printed plans.
func (k FaultKind) String() string { return kindNames[k] }

// Draw makes the plan of a seed: the configuration as well as the faults,
// biased towards the instants at which something is about to be decided.
func Draw(seed uint64) Plan {
	r := &random{seed}
	p := Plan{
		Seed: seed, Nodes: pick(r, 2, 2, 2, 2, 2, 2, 3, 3, 4, 5), Paths: pick(r, 1, 2, 2), Tokens: pick(r, 1, 1, 2),
		Interval: pick(r, 50*time.Millisecond, 50*time.Millisecond, 20*time.Millisecond), Tolerance: pick(r, 3, 3, 3, 2, 4),
		FailbackDelay: pick(r, 0, 0, 300*time.Millisecond), FailbackCap: pick(r, 10, 10, 0, 1),
		StartWait: pick(r, 500*time.Millisecond, time.Second), StartSpread: r.upTo(pick(r, 0, 100*time.Millisecond, time.Second)),
		Foreign: !r.chance(4), ForeignAfter: r.upTo(100 * time.Millisecond),
		Duplicate: pick(r, 0, 0, 100), HandsFail: pick(r, 0, 0, 0, 0, 20), HandsTime: pick(r, 0, time.Millisecond, 5*time.Millisecond),
		DiskTime: pick(r, 0, 5*time.Millisecond, 30*time.Millisecond), Calm: 2500 * time.Millisecond,
	}
	for range p.Nodes {
		p.Priority = append(p.Priority, pick(r, 100, 100, 150, 200))
		p.Drift = append(p.Drift, pick[int64](r, 0, 0, 100_000, -100_000, 500))
	}
	for range p.Tokens {
		p.Bits = append(p.Bits, drawBits(r))
	}
	p.drawFaults(r)
	return p
}

// drawBits draws all combinations, the usual ones more often.
func drawBits(r *random) token.Bits {
	switch r.below(8) {
	case 0, 1, 2:
		return token.AutoFailback
	case 3, 4:
		return 0
	case 5:
		return token.DisableInheritance
	case 6:
		return token.AutoFailback | token.DisableInheritance
	}
	return token.Bits(r.below(4)) // with Allow Multiple
}

// drawFaults spreads the faults over three seconds, or over a minute in one of
// twenty plans; half of them fall next to an earlier one, at a distance of
// about D, L or I, where the deadlines lie.
func (p *Plan) drawFaults(r *random) {
	n, span := 3+r.below(6), 3*time.Second
	if r.chance(20) {
		n, span = 6+r.below(15), time.Minute
	}
	at := 500*time.Millisecond + p.StartSpread
	for i := range n {
		near := i > 0 && r.chance(2)
		when := at + r.upTo(span)
		if near {
			when = p.Faults[r.below(i)].At + pick(r, p.Dead(), p.Lease(), p.Interval, p.Interval*3/2, 0) + r.upTo(4*time.Millisecond) - 2*time.Millisecond
		}
		p.Faults = append(p.Faults, p.drawFault(r, max(when, at)))
	}
}

func (p *Plan) drawFault(r *random, at time.Duration) Fault {
	f := Fault{At: at, Kind: FaultKind(r.below(int(kinds))), A: r.below(p.Nodes), Paths: 1<<p.Paths - 1}
	f.B = (f.A + 1 + r.below(p.Nodes-1)) % p.Nodes
	f.For = pick(r, r.upTo(2*p.Interval), r.upTo(2*p.Dead()), p.Dead()+r.upTo(10*time.Millisecond), r.upTo(1500*time.Millisecond))
	switch f.Kind {
	case CutOne, CutBoth, CutTail:
		if r.chance(4) {
			f.Paths = 1 << r.below(p.Paths)
		}
		f.Amount = pick(r, 1, 5, 20, 100, 300)
	case Lossy:
		f.Amount = pick(r, 10, 50, 150)
	case Slow:
		f.Amount = pick(r, 1, 5, int(p.Interval/time.Millisecond)/2)
	case MuteCrash:
		f.For += muteFor(p, 3)
		f.Amount = 1 + r.below(3)
	case MoveTo:
		f.Amount = r.below(p.Tokens)
	}
	return f
}

// muteFor is how long a node's last n beats are lost before it is killed.
func muteFor(p *Plan, n int) time.Duration { return time.Duration(n) * p.Interval }

// String writes the plan down so that a person can follow it.
func (p *Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %d nodes, %d paths, I %v × %d, priorities %v, bits %v, failback after %v at most %d/h, drift %v ppm\n",
		p.Seed, p.Nodes, p.Paths, p.Interval, p.Tolerance, p.Priority, p.Bits, p.FailbackDelay, p.FailbackCap, p.Drift)
	fmt.Fprintf(&b, "  start spread %v, foreign frames %v, start wait %v, hands %v (%d‰ fail), disk %v\n",
		p.StartSpread, p.Foreign, p.StartWait, p.HandsTime, p.HandsFail, p.DiskTime)
	for _, f := range p.Faults {
		fmt.Fprintf(&b, "  at %v for %v: %v a=%c b=%c paths=%b amount=%d\n", f.At, f.For, f.Kind, 'a'+f.A, 'a'+f.B, f.Paths, f.Amount)
	}
	return b.String()
}
