package services

import (
	"testing"
	"time"

	"vipd/heartbeat/clock"
)

// laws is what must hold in every walk. It knows the events, the actions and
// what is really left, and nothing of how the machine thinks.
type laws struct {
	t     *testing.T
	w     *world
	seed  string
	cases []*record
	calm  clock.Instant // the newest event other than a Tick
}

// record is what the laws remember of one number.
type record struct {
	held    bool
	epoch   uint64
	failed  int             // Failed under this grant
	free    bool            // the next start is no local restart
	starts  []clock.Instant // counted restarts
	units   [MaxUnits]life
	rows    [MaxChecks]int
	rose    [MaxChecks]bool
	probing uint64
	revokes int
	downs   int
}

// life is what the machine may believe of a unit.
type life struct {
	order    uint64
	up, over bool
}

func newLaws(t *testing.T, w *world, seed string) *laws { return &laws{t: t, w: w, seed: seed} }

func (l *laws) breach(format string, args ...any) {
	l.t.Helper()
	l.t.Errorf(l.seed+" at "+l.w.now.Sub(at(0)).String()+": "+format, args...)
}

func (l *laws) of(i int) *record {
	for len(l.cases) <= i {
		l.cases = append(l.cases, &record{})
	}
	return l.cases[i]
}

// reused: a number goes to another group only when nobody needs it any more.
func (l *laws) reused(i int, t *thing) {
	if t.held || t.owed || l.left(t) {
		l.breach("number %d of %s given away: held %v, owed %v", i, t.name, t.held, t.owed)
	}
	*l.of(i) = record{}
}

func (l *laws) left(t *thing) bool {
	for _, u := range t.units {
		if u.left {
			return true
		}
	}
	return false
}

// event notes what the machine is told.
func (l *laws) event(now clock.Instant, ev Event) {
	if _, is := ev.(Tick); !is {
		l.calm = now
	}
	switch ev := ev.(type) {
	case Grant:
		r := l.of(ev.Group)
		if r.held && r.failed == 0 {
			r.epoch = ev.Epoch // the same grant goes on
			return
		}
		r.held, r.epoch, r.failed, r.free = true, ev.Epoch, 0, true
	case Adopt:
		r := l.of(ev.Group)
		r.held, r.epoch, r.failed, r.free = true, ev.Epoch, 0, false
		for u, running := range ev.Running {
			r.units[u] = life{up: running}
		}
		r.rose = all
	case Revoke:
		l.of(ev.Group).held = false
		l.of(ev.Group).revokes++
	case Restart:
		l.of(ev.Group).free = true
	case Reset:
		l.of(ev.Group).starts = nil
	case Reconfigure:
		for _, r := range l.cases { // any of them may have changed: count anew
			r.free, r.starts, r.rose = true, nil, all
		}
	default:
		l.heard(ev)
	}
}

var all = func() (list [MaxChecks]bool) {
	for i := range list {
		list[i] = true
	}
	return list
}()

// heard notes answers of the hands that are about the newest order.
func (l *laws) heard(ev Event) {
	switch ev := ev.(type) {
	case Started:
		if u := &l.of(ev.Group).units[ev.Unit]; u.order == ev.Order && !u.over {
			u.up = true
		}
	case StartFailed:
		l.over(ev.Group, ev.Unit, ev.Order)
	case Died:
		l.over(ev.Group, ev.Unit, ev.Order)
	case Result:
		r := l.of(ev.Group)
		if ev.Order != r.probing {
			return
		}
		if r.rows[ev.Check]++; !ev.OK {
			r.rows[ev.Check] = 0
		}
		if spec := l.w.things[ev.Group].spec; ev.Check < len(spec.Checks) && r.rows[ev.Check] >= max(1, spec.Checks[ev.Check].Rise) {
			r.rose[ev.Check] = true
		}
	}
}

func (l *laws) over(i, u int, order uint64) {
	if n := &l.of(i).units[u]; n.order == order {
		n.up, n.over = false, true
	}
}

// action judges what the machine asks for.
func (l *laws) action(now clock.Instant, a Action) {
	switch a := a.(type) {
	case Start:
		l.start(now, a)
	case Stop:
		l.stop(a)
	case Probe:
		if r := l.of(a.Group); a.On {
			r.probing, r.rows = a.Order, [MaxChecks]int{}
			if l.w.m.Look(a.Group).State != Running { // else presumed
				r.rose = [MaxChecks]bool{}
			}
		} else {
			r.probing = 0
		}
	case Up:
		l.up(a)
	case Failed:
		r, t := l.of(a.Group), l.w.things[a.Group]
		if r.failed++; r.failed > 1 || !r.held || a.Epoch != r.epoch || l.left(t) {
			l.breach("failed %d times under epoch %d (said %d), held %v, left %v", r.failed, r.epoch, a.Epoch, r.held, l.left(t))
		}
	case Down:
		r, t := l.of(a.Group), l.w.things[a.Group]
		if r.downs++; l.left(t) || r.held {
			l.breach("down with something left %v or held %v", l.left(t), r.held)
		}
	}
}

// start: under a grant that was not given up, of a unit of which nothing is
// left, above units that run, no more often than allowed.
func (l *laws) start(now clock.Instant, a Start) {
	r, t := l.of(a.Group), l.w.things[a.Group]
	if !r.held || r.failed > 0 || a.Epoch != r.epoch {
		l.breach("start without a grant: held %v, failed %d, epoch %d of %d", r.held, r.failed, a.Epoch, r.epoch)
	}
	for u := a.Unit; u < MaxUnits; u++ {
		if t.units[u].left {
			l.breach("start of %s.%d while %d is left", t.name, a.Unit, u)
		}
	}
	for u := range a.Unit {
		if !r.units[u].up {
			l.breach("start of %s.%d while %d is not up", t.name, a.Unit, u)
		}
	}
	r.units[a.Unit] = life{order: a.Order}
	if a.Unit == 0 {
		l.turn(t)
		l.count(now, r, t.spec.Restart)
	}
}

// turn: a group starts after those that have a grant here.
func (l *laws) turn(t *thing) {
	for _, name := range t.spec.After {
		if j := l.w.m.Number(name); j >= 0 && l.of(j).held && l.of(j).failed == 0 && !l.w.m.Ready(j) {
			l.breach("start of %s before %s", t.name, name)
		}
	}
}

// count: no more restarts within the window than allowed.
func (l *laws) count(now clock.Instant, r *record, allowed Allowance) {
	if r.free {
		r.free = false
		return
	}
	r.starts = append(r.starts, now)
	n := 0
	for _, at := range r.starts {
		if allowed.Within == 0 || now.Sub(at) < allowed.Within {
			n++
		}
	}
	if n > allowed.Attempts {
		l.breach("%d restarts within %v, %d allowed", n, allowed.Within, allowed.Attempts)
	}
}

// stop: from the top.
func (l *laws) stop(a Stop) {
	t := l.w.things[a.Group]
	for u := a.Unit + 1; u < MaxUnits; u++ {
		if t.units[u].left {
			l.breach("stop of %s.%d while %d is left", t.name, a.Unit, u)
		}
	}
	l.over(a.Group, a.Unit, l.of(a.Group).units[a.Unit].order)
}

// up: everything runs, for all that the machine was told.
func (l *laws) up(a Up) {
	r, t := l.of(a.Group), l.w.things[a.Group]
	if !r.held || r.failed > 0 || a.Epoch != r.epoch {
		l.breach("up without a grant")
	}
	for u := range t.spec.Units {
		if !r.units[u].up {
			l.breach("%s is up, its unit %d is not", t.name, u)
		}
	}
	for c := range t.spec.Checks {
		if !r.rose[c] {
			l.breach("%s is up, its check %d never was healthy", t.name, c)
		}
	}
}

// after: the machine never asks to be woken at once, nor again and again.
func (l *laws) after(now clock.Instant) {
	if l.w.m.Deadline() <= now {
		l.breach("deadline is not in the future")
	}
	if most := 8 + 8*len(l.w.things)*int(1+now.Sub(l.calm)/StopAgain); l.w.ticks > most {
		l.breach("%d ticks in %v of nothing", l.w.ticks, now.Sub(l.calm))
	}
	for i, t := range l.w.things {
		if v := l.w.m.Look(i); v.State == Broken && t.held && l.of(i).failed != 1 {
			l.breach("%s is %v, failed was said %d times", t.name, v.State, l.of(i).failed)
		}
	}
}

// well: when nothing fails any more, what has a grant runs.
func (l *laws) well() {
	for i, t := range l.w.things {
		if v := l.w.m.Look(i); t.held && l.w.m.Number(t.name) == i && v.State != Running {
			l.breach("%s is %v although all is well: %+v", t.name, v.State, v)
		}
	}
}

// end: whatever was revoked is down.
func (l *laws) end() {
	for i, t := range l.w.things {
		r := l.of(i)
		if t.owed || l.left(t) || r.revokes > 0 && r.downs == 0 {
			l.breach("%s: down not said (owed %v, left %v) %+v", t.name, t.owed, l.left(t), l.w.m.Look(i))
		}
		if s := l.w.m.Look(i).State; s != Idle && s != Broken {
			l.breach("%s is %v in the end", t.name, s)
		}
	}
	if d := l.w.m.Deadline(); d != clock.Never && d.Sub(l.w.now) < time.Second {
		l.breach("something is still due: %v", d.Sub(l.w.now))
	}
}
