package sim

import (
	"fmt"
	"strings"
	"time"

	"vipd/token"
)

// Extras is a set of kinds of trouble that a plan may have beside the usual ones. Each
// is drawn from a number of its own, so that a seed's plan is the same whichever others
// are switched on.
type Extras uint32

// The extras.
const (
	Linger    Extras = 1 << iota // groups have the product's time between the lease's end and the keeper's
	SlowHands                    // addresses take up to 300 ms to put up and to remove
	LateLoop                     // daemons run late by a part of an interval, again and again
	Reloads                      // one node's file changes in any way, at any moment
	Differ                       // the nodes' files differ from the start
	LostState                    // a daemon's state file is lost while it is down
	Growth                       // epochs grow along real time
	Clocks                       // clocks that no one synchronises
	Hands                        // addresses can't be put up or removed, by kind
	Unarmed                      // leases can't be written
	Force                        // an operator takes a token whose holder is dead, which comes back
	Third                        // pairs are cut both ways beside a third node that hears both
	Proxy                        // a switch answers for the addresses of a dead host
	Wide                         // intervals and tolerances beyond the usual
	extrasEnd
)

var extraNames = [...]string{"linger", "slow-hands", "late-loop", "reloads", "differ", "lost-state", "growth", "clocks", "hands", "unarmed", "force", "third", "proxy", "wide"}

// AllExtras is every extra, Usual those that are drawn unless a run says otherwise.
const (
	AllExtras = extrasEnd - 1
	Usual     = AllExtras
)

// String returns the names as ParseExtras takes them.
func (x Extras) String() string {
	if x == 0 {
		return "none"
	}
	var list []string
	for i, name := range extraNames {
		if x>>i&1 != 0 {
			list = append(list, name)
		}
	}
	return strings.Join(list, ",")
}

// ParseExtras reads names with commas between them; "none", "usual" and "all" stand for
// sets.
func ParseExtras(text string) (x Extras, err error) {
	for _, name := range strings.Split(text, ",") {
		one, ok := extraNamed(name)
		if !ok {
			return 0, fmt.Errorf("no such kind: %s; there are none, usual, all, %v", name, AllExtras)
		}
		x |= one
	}
	return x, nil
}

func extraNamed(name string) (Extras, bool) {
	switch name {
	case "", "none":
		return 0, true
	case "usual":
		return Usual, true
	case "all":
		return AllExtras, true
	}
	for i := range extraNames {
		if extraNames[i] == name {
			return 1 << i, true
		}
	}
	return 0, false
}

// extraOdds is in one of how many plans an extra is drawn. One that is drawn alone is
// in each.
const extraOdds = 8

// drawExtras draws those of the extras that befall the plan, the last one first: the others
// depend on how fast the nodes beat.
func (p *Plan) drawExtras(on Extras) {
	alone := on&(on-1) == 0
	for i := len(extraNames) - 1; i >= 0; i-- {
		one := Extras(1) << i
		r := &random{p.Seed ^ 0x6578747261<<8 ^ uint64(i)<<56}
		if chosen := r.chance(extraOdds); on&one != 0 && (chosen || alone) {
			p.Extras |= one
			p.drawExtra(one, r)
		}
	}
	if p.Extras&SlowHands != 0 && p.Class != Storm {
		p.allowForHands()
	}
}

// allowForHands gives slow hands the time that they need, where something is promised at an
// instant: until all is up, and for each order.
func (p *Plan) allowForHands() {
	units, most := 1, 1
	for i := range p.Groups {
		units, most = units+p.Groups[i].Units, max(most, p.Groups[i].Units)
	}
	late := time.Duration(units) * p.HandsTime
	for i := range p.Faults {
		f := &p.Faults[i]
		f.At += late
		if f.Kind == MoveTo { // there, and back
			f.For += 2 * time.Duration(most) * p.HandsTime
			late += 4 * time.Duration(most) * p.HandsTime
		}
	}
}

func (p *Plan) drawExtra(one Extras, r *random) {
	switch one {
	case Linger:
		p.Linger = keeperGrace + 100*time.Millisecond
		if len(p.Groups) == 0 {
			p.drawGroups(r)
		}
	case SlowHands:
		p.HandsTime = max(p.HandsTime, pick(r, 100*time.Millisecond, 200*time.Millisecond, 300*time.Millisecond))
	case LateLoop:
		p.drawLate(r)
	case Differ:
		p.drawFiles(r)
	case Growth:
		p.Clocked = true
		p.drawFaults(r, Reboot, Isolate)
	case Clocks:
		p.Clocked = true
		for range p.Nodes {
			p.Unsynced = append(p.Unsynced, r.chance(2))
		}
	case Third:
		p.drawThird(r)
	case Wide:
		p.drawWide(r)
	case Reloads:
		p.drawFaults(r, ReloadAny)
	case LostState:
		p.Clocked = true
		p.drawFaults(r, DiskLost)
	case Hands:
		p.drawFaults(r, Unable, TakeFails, UndoRefused)
	case Unarmed:
		p.drawFaults(r, LeaseRefused)
	case Force:
		p.Bits[0] |= token.DisableInheritance
		p.drawFaults(r, ForceTake)
	case Proxy:
		p.drawFaults(r, Answerer)
	}
}

// drawFaults draws one to three faults of the kinds, mostly next to others. Plans that
// promise that nothing moves, or that an order succeeds, have none.
func (p *Plan) drawFaults(r *random, kinds ...FaultKind) {
	if p.Class != Storm {
		return
	}
	for range 1 + r.below(3) {
		f := p.drawFault(r, p.begin()+r.upTo(2*time.Second))
		f.Kind = pick(r, kinds...)
		f.Amount = r.below(p.Tokens)
		f.How = r.below(1 << 16)
		if near := p.Faults[r.below(len(p.Faults))].At + pick(r, 0, p.Dead(), -p.Dead(), p.Lease(), p.Interval) + r.upTo(8*time.Millisecond) - 4*time.Millisecond; r.chance(2) {
			f.At = max(near, 500*time.Millisecond)
		}
		if f.Kind == Answerer && r.chance(2) {
			f.For = 8 * time.Second // longer than everything may take
		}
		p.Faults = append(p.Faults, f)
	}
}

// Late has a daemon run late again and again.
type Late struct {
	Node        int
	From, Until time.Duration // Until 0: to the end of the plan
	Every, By   time.Duration
	LoopOnly    bool // the thread that sends goes on in time
}

// drawLate draws lateness around half an interval, from where on it is noticed, and
// beyond where the thread that sends is in time. That a short cut moves nothing is promised
// of daemons that run in time: one that is late by a part of the dead time as well makes the
// silence longer than the cut.
func (p *Plan) drawLate(r *random) {
	if p.Class != Storm {
		return
	}
	for range 1 + r.below(2) {
		l := Late{Node: r.below(p.Nodes), From: 500*time.Millisecond + r.upTo(time.Second), LoopOnly: r.chance(2)}
		l.Every = pick(r, p.Interval*3/2, 3*p.Interval, p.Interval+r.upTo(4*p.Interval), p.Dead())
		l.By = p.Interval/2 + r.upTo(4*time.Millisecond) - 2*time.Millisecond
		if l.LoopOnly {
			l.By = pick(r, l.By, r.upTo(p.Interval*8/5))
		}
		if r.chance(2) {
			l.Until = l.From + r.upTo(2*time.Second)
		}
		p.Late = append(p.Late, l)
	}
	p.drawLater(&random{p.Seed ^ laterSeed})
	p.limitLate()
}

// laterSeed parts the chance of daemons that are later from that of all else.
const laterSeed = 0x6c61746572

// drawLater has some of the daemons that are late for a while be so by up to a dead time and
// a little more, by which a daemon takes itself to be dead.
func (p *Plan) drawLater(r *random) {
	for i := range p.Late {
		if l := &p.Late[i]; r.chance(3) && l.Until != 0 {
			l.By = r.upTo(p.Dead() * 6 / 5)
		}
	}
}

// limitLate leaves every echo time to come before the lease's end where daemons are late
// for ever: a beat is echoed up to an interval and all lateness after it was sent, and the
// lease lasts L from then. Daemons that are later than that serve nobody.
func (p *Plan) limitLate() {
	n := 0
	for _, l := range p.Late {
		if l.Until == 0 {
			n++
		}
	}
	for i := range p.Late {
		if l := &p.Late[i]; l.Until == 0 {
			l.By = min(l.By, (p.Lease()-p.Interval)*4/5/time.Duration(n), p.Dead()/2)
		}
	}
}

// drawThird cuts pairs of three nodes both ways, each from its own beginning.
func (p *Plan) drawThird(r *random) {
	if p.Nodes != 3 || p.Class != Storm {
		return
	}
	for range 2 + r.below(3) {
		f := p.drawFault(r, p.begin()+r.upTo(2*time.Second))
		f.Kind, f.Paths = CutBoth, 1<<p.Paths-1|r.below(2)<<p.Paths
		p.Faults = append(p.Faults, f)
	}
}

// drawWide draws how fast the nodes beat from all that the configuration allows.
func (p *Plan) drawWide(r *random) {
	type speed struct {
		interval  time.Duration
		tolerance int
	}
	s := pick(r, speed{250 * time.Millisecond, 2}, speed{200 * time.Millisecond, 3}, speed{100 * time.Millisecond, 3}, speed{25 * time.Millisecond, 2}, speed{10 * time.Millisecond, 3}, speed{20 * time.Millisecond, 10})
	longer := 3 * (s.interval - p.Interval)
	p.Interval, p.Tolerance = s.interval, s.tolerance
	for i := range p.Faults {
		if f := &p.Faults[i]; f.Kind == MuteCrash && longer > 0 {
			f.For += longer // or the daemon would be started again before it is killed
		}
	}
}
