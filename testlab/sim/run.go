package sim

import "time"

// Result is what one schedule showed.
type Result struct {
	Seed      uint64
	Violation string // empty: none
	Steps     int
	Simulated time.Duration
	Coverage  Coverage
}

// busy is how many steps a node may need for a second: asks every millisecond
// to four peers, their answers, and a storm of faults; and burst how many more
// at any instant; with many tokens several times as many, for what the hands, the disk
// and the network answer is a step for each. A machine that would not sleep is stopped by it.
const (
	busy  = 6000
	burst = 1000
)

// wakesAtOnce is how many ticks a node may ask for at any instant, beside those of a second.
const wakesAtOnce = 300

// wakes is how many ticks a node may ask for in a second. Each peer that is silent is asked
// once a millisecond at most, and so is the clients' network for each token, for sixteen in
// all; the rest is for deadlines.
func (p *Plan) wakes() int {
	n := 500 + 1000*(p.Nodes-1)
	if p.Askable {
		n += 1000 * min(16, p.Tokens)
	}
	return n
}

// glance is how often a schedule looks whether calm has come.
const glance = 50 * time.Millisecond

// Run plays one schedule to its end, or to the first violation. trace, if not
// nil, is told what happens. Most plans end as soon as the faults are over and
// everything is in order; the Whole ones go on to see that it stays so.
func Run(p Plan, trace func(format string, args ...any)) Result {
	w := New(p)
	w.check.Trace = trace
	return w.play()
}

// play plays the world's plan.
func (w *World) play() Result {
	p := &w.Plan
	end := time.Duration(0)
	for _, f := range p.Faults {
		w.Inject(f)
		end = max(end, f.At+f.For+settle)
	}
	if p.Class == Storm {
		end -= settle
		w.At(int64(end)+1, w.mend)
	}
	at, calmed := time.Duration(0), int64(0)
	for w.check.violation == "" {
		at += glance
		w.Run(int64(at))
		if rest := time.Duration(w.Now - w.check.disturbed); rest > p.limit() && calmed != w.check.disturbed {
			w.check.calm()
			calmed = w.check.disturbed
		}
		if at > end+p.limit()+glance || at > max(end+settle/2, 3*time.Second) && !p.Whole && w.check.disorder() == "" {
			break
		}
	}
	w.check.unanswered()
	return w.result(at)
}

// mend ends what faults that overlap may have left behind.
func (w *World) mend() {
	w.check.disturb()
	for _, h := range w.Hosts {
		h.disk.broken, h.disk.suspended, h.clumsy = false, false, false
		h.hands = handFaults{distrusted: make([]bool, w.Plan.All())}
		h.Thaw()
		w.revive(h)
	}
	w.mendGroups()
}

func (w *World) result(simulated time.Duration) Result {
	r := Result{Seed: w.Plan.Seed, Violation: w.check.violation, Simulated: simulated, Coverage: w.check.Coverage}
	for _, h := range w.Hosts {
		r.Steps += h.Steps
	}
	r.Coverage.Classes[w.Plan.Class]++
	for _, f := range w.Plan.Faults {
		r.Coverage.Faults[f.Kind]++
	}
	for i := range r.Coverage.Extras {
		r.Coverage.Extras[i] += int(w.Plan.Extras >> i & 1)
	}
	for s := range shapes {
		if w.Plan.has(s) {
			r.Coverage.Shapes[s]++
		}
	}
	return r
}
