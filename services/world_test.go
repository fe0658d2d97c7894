package services

import (
	"math/rand/v2"
	"slices"
	"time"

	"vipd/heartbeat/clock"
)

// A walk is a machine between a token and an operator who want this and that,
// and hands whose answers are late, lost or said twice. What is really left of a
// unit is known here and nowhere else; laws looks at it.
type world struct {
	rng    *rand.Rand
	m      *Machine
	now    clock.Instant
	epoch  uint64
	faults bool // hands fail, and answers get lost
	things []*thing
	queue  []due
	heard  []Event // answers delivered so far
	laws   *laws
	ticks  int // steps without an event since the last one with
}

// due is something that will happen.
type due struct {
	at clock.Instant
	do func()
}

// thing is a group as it really is, by its number.
type thing struct {
	name  string
	spec  Spec // the newest configuration
	held  bool
	owed  bool // Down
	units [MaxUnits]struct {
		left, alive bool
		order       uint64 // the newest
		lived       uint64 // the Start it lives by
	}
	probe uint64
}

var names = []string{"a", "b", "c", "d"}

// configuration draws some of the groups; each may come after those before it.
func (w *world) configuration() (specs []Spec) {
	for i, name := range names {
		if w.rng.IntN(6) == 0 {
			continue
		}
		spec := Spec{Name: name, StopTimeout: 10 * time.Second, StartGrace: time.Duration(w.rng.IntN(2)) * 5 * time.Second,
			Restart: Allowance{Attempts: w.rng.IntN(4), Within: time.Duration(w.rng.IntN(4)) * 30 * time.Second}}
		spec.Units = []string{"x", "y", "z"}[:1+w.rng.IntN(3)]
		for range w.rng.IntN(3) {
			spec.Checks = append(spec.Checks, Check{Name: "t", Rise: w.rng.IntN(3), Fall: w.rng.IntN(4)})
		}
		if i > 0 && w.rng.IntN(2) == 0 {
			spec.After = []string{names[w.rng.IntN(i)]}
		}
		specs = append(specs, spec)
	}
	w.rng.Shuffle(len(specs), func(i, j int) { specs[i], specs[j] = specs[j], specs[i] })
	return specs
}

func (w *world) chance(percent int) bool { return w.rng.IntN(100) < percent }

func (w *world) soon(most time.Duration, do func()) {
	w.queue = append(w.queue, due{w.now.Add(time.Duration(w.rng.Int64N(int64(most)))), do})
}

// configured notes which number is whose after a new configuration.
func (w *world) configured(specs []Spec) {
	for _, spec := range specs {
		i := w.m.Number(spec.Name)
		for len(w.things) <= i {
			w.things = append(w.things, &thing{name: spec.Name})
		}
		if t := w.things[i]; t.name != spec.Name {
			w.laws.reused(i, t)
			w.things[i] = &thing{name: spec.Name}
		}
		w.things[i].spec = spec
	}
}

// step gives the machine one event and does what it asks for.
func (w *world) step(ev Event) {
	w.laws.event(w.now, ev)
	actions := slices.Clone(w.m.Step(w.now, ev))
	if r, is := ev.(Reconfigure); is {
		w.configured(r.Specs)
	}
	if _, is := ev.(Tick); is {
		w.ticks++
	} else {
		w.ticks = 0
	}
	for _, a := range actions {
		w.laws.action(w.now, a)
		w.hand(a)
	}
	w.laws.after(w.now)
}

// hand does one action.
func (w *world) hand(a Action) {
	switch a := a.(type) {
	case Start:
		u := &w.things[a.Group].units[a.Unit]
		u.left, u.order = true, a.Order
		w.soon(4*time.Second, func() { w.started(a) })
	case Stop:
		w.things[a.Group].units[a.Unit].order = a.Order
		w.soon(4*time.Second, func() { w.stopped(a) })
	case Probe:
		t := w.things[a.Group]
		if t.probe = 0; a.On {
			t.probe = a.Order
			w.check(a.Group, a.Order)
		}
	case Down:
		w.things[a.Group].owed = false
	case Failed:
		t := w.things[a.Group]
		w.soon(10*time.Second, func() { w.revoke(a.Group, t) })
	}
}

// started ends a start, unless a stop has come over it.
func (w *world) started(a Start) {
	u := &w.things[a.Group].units[a.Unit]
	switch {
	case u.order != a.Order:
		w.answer(StartFailed{a.Group, a.Unit, a.Order, "cut short"})
	case w.faults && w.chance(25):
		u.left = w.chance(50)
		w.answer(StartFailed{a.Group, a.Unit, a.Order, "no"})
	default:
		u.alive, u.lived = true, a.Order
		w.answer(Started{a.Group, a.Unit, a.Order})
	}
}

// stopped ends a stop; the second try of one that has succeeded finds a new life
// that is none of its business.
func (w *world) stopped(a Stop) {
	u := &w.things[a.Group].units[a.Unit]
	switch {
	case u.order != a.Order:
	case w.faults && w.chance(20):
		w.answer(StopFailed{a.Group, a.Unit, a.Order, "stuck"})
		return
	default:
		u.alive, u.left = false, false
	}
	w.answer(Stopped(a))
}

// answer delivers an event: late, not at all, or twice.
func (w *world) answer(ev Event) {
	deliver := func() { w.heard = append(w.heard, ev); w.step(ev) }
	if w.faults && w.chance(5) {
		return
	}
	w.soon(time.Second, deliver)
	if w.chance(10) {
		w.soon(30*time.Second, deliver)
	}
}

// check gives results of a probe until it is turned off, and one more.
func (w *world) check(i int, order uint64) {
	every := 2 * time.Second
	if !w.faults {
		every = time.Minute
	}
	w.soon(every, func() {
		t := w.things[i]
		for c := range t.spec.Checks {
			w.step(Result{i, c, order, !w.faults || w.chance(60), "r"})
		}
		if t.probe == order {
			w.check(i, order)
		}
	})
}

func (w *world) grant(i int) {
	if t := w.things[i]; !t.held && !t.owed && w.m.Number(t.name) == i {
		t.held = true
		w.epoch++
		w.step(Grant{i, w.epoch})
	}
}

func (w *world) revoke(i int, t *thing) {
	if w.things[i] == t && t.held {
		t.held, t.owed = false, true
		w.step(Revoke{i})
	}
}

// die ends a unit that lives.
func (w *world) die(i int) {
	t := w.things[i]
	u := w.rng.IntN(len(t.units))
	if n := &t.units[u]; n.alive {
		n.alive, n.left = false, w.chance(50)
		w.answer(Died{i, u, n.lived, "exit 1"})
	}
}

// run lets everything happen that is due before the end.
func (w *world) run(end clock.Instant) {
	for {
		next, which := w.m.Deadline(), -1
		for i := range w.queue {
			if w.queue[i].at < next {
				next, which = w.queue[i].at, i
			}
		}
		if next > end {
			w.now = end
			return
		}
		w.now = max(w.now, next)
		if which < 0 {
			w.step(Tick{})
			continue
		}
		do := w.queue[which].do
		w.queue = slices.Delete(w.queue, which, which+1)
		do()
	}
}
