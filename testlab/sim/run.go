package sim

import (
	"fmt"
	"time"
)

// Result is what one schedule showed.
type Result struct {
	Seed      uint64
	Violation string // empty: none
	Steps     int
	Simulated time.Duration
	Coverage  Coverage
}

// Coverage counts how often things were reached; a zero over many schedules
// means that something is not tested at all.
type Coverage struct {
	Faults [kinds]int
	Causes [17]int
	Phases [4]int
	Verbs  [6]int
	Duals  int
}

// Add adds another's counts.
func (c *Coverage) Add(o *Coverage) {
	add(c.Faults[:], o.Faults[:])
	add(c.Causes[:], o.Causes[:])
	add(c.Phases[:], o.Phases[:])
	add(c.Verbs[:], o.Verbs[:])
	c.Duals += o.Duals
}

func add(a, b []int) {
	for i := range a {
		a[i] += b[i]
	}
}

// busy is how many steps a node may need for a second: asks every millisecond
// to four peers, their answers, and a storm of faults.
const busy = 6000

// Run plays one schedule to its end, or to the first violation. trace, if not
// nil, is told what happens.
func Run(p Plan, trace func(format string, args ...any)) Result {
	w := New(p)
	w.check.Trace = trace
	end := time.Duration(0)
	for _, f := range p.Faults {
		w.Inject(f)
		end = max(end, f.At+f.For)
	}
	w.At(int64(end)+1, w.mend)
	end += p.Calm + w.check.settle()
	for at := 100 * time.Millisecond; at < end && w.check.violation == ""; at += 100 * time.Millisecond {
		w.Run(int64(at))
		if w.Now-w.check.disturbed > int64(w.check.settle()+p.StartWait+p.Calm) {
			w.check.calm()
		}
	}
	w.Run(int64(end) + int64(p.StartWait))
	if w.check.violation == "" {
		w.check.calm()
	}
	return w.result(end + p.StartWait)
}

// mend ends what faults that overlap may have left behind.
func (w *World) mend() {
	w.check.disturb()
	for _, h := range w.Hosts {
		h.disk.broken, h.disk.suspended = false, false
		h.Thaw()
		w.revive(h)
	}
}

func (w *World) result(simulated time.Duration) Result {
	r := Result{Seed: w.Plan.Seed, Violation: w.check.violation, Simulated: simulated}
	for _, h := range w.Hosts {
		r.Steps += h.Steps
		if limit := int(simulated.Seconds()*busy) * w.Plan.Nodes; h.Steps > limit && r.Violation == "" {
			r.Violation = fmt.Sprintf("%s took %d steps in %v", h.Name, h.Steps, simulated)
		}
	}
	for _, f := range w.Plan.Faults {
		r.Coverage.Faults[f.Kind]++
	}
	r.Coverage.Causes, r.Coverage.Phases, r.Coverage.Verbs, r.Coverage.Duals = w.check.causes, w.check.phases, w.check.verbs, w.check.duals
	return r
}
