package machines

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"vipd/testlab/rig"
)

const (
	// lookEvery is the interval of the looks at who runs a unit.
	lookEvery = 5 * time.Millisecond
	// maxSpans is the most a watch remembers; the rest is not kept.
	maxSpans = 1 << 16
)

// Runners is a watch of which machines run a unit. It looks at the units' control
// groups from outside, so nothing on a machine can hide a process that was left, and a
// stopped service manager is no hindrance. A frozen machine runs nothing.
//
// Each look asks every machine twice. Who ran both times ran in the moment between,
// so two that are seen together did run together.
type Runners struct {
	units    []string
	machines []*Machine
	stop     context.CancelFunc
	run      sync.WaitGroup

	mu    sync.Mutex
	spans []rig.Span
}

// Runners begins to watch who runs any of the units, or has anything in a control
// group of that name.
func (l *Lab) Runners(units ...string) *Runners {
	ctx, stop := context.WithCancel(context.Background())
	w := &Runners{units: units, machines: l.machines, stop: stop}
	w.run.Go(func() { w.watch(ctx) })
	l.watches = append(l.watches, w)
	return w
}

// Close ends the watch; what was seen can still be read.
func (w *Runners) Close() {
	w.stop()
	w.run.Wait()
}

func (w *Runners) watch(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case at := <-ticker.C:
			w.note(at, w.Now())
		}
	}
}

// note adds a look to the spans, each of which lasts until the next look.
func (w *Runners) note(at time.Time, owners []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := len(w.spans) - 1
	if last >= 0 {
		w.spans[last].To = at
	}
	if last >= 0 && slices.Equal(w.spans[last].Owners, owners) || len(w.spans) == maxSpans {
		return
	}
	w.spans = append(w.spans, rig.Span{From: at, To: at, Owners: owners})
}

// Now is who runs it at this moment.
func (w *Runners) Now() (names []string) {
	before := w.look()
	for _, name := range w.look() {
		if slices.Contains(before, name) {
			names = append(names, name)
		}
	}
	return names
}

func (w *Runners) look() (names []string) {
	for _, m := range w.machines {
		if slices.ContainsFunc(w.units, m.cgroup.runs) {
			names = append(names, m.name)
		}
	}
	return names
}

// depths are how far below a machine's control group those of units are: in a slice of
// the system, in a slice of that, or in a group of another unit.
var depths = []string{"payload/*", "payload/*/*", "payload/*/*/*"}

// runs says whether something in a group of that name runs.
func (g cgroup) runs(name string) bool {
	for _, depth := range depths {
		found, _ := filepath.Glob(filepath.Join(string(g), depth, globbed(name), "cgroup.events"))
		for _, path := range found {
			its := cgroup(filepath.Dir(path))
			if its.is("populated 1") && !its.is("frozen 1") {
				return true
			}
		}
	}
	return false
}

// globbed makes a pattern of a name, for it alone: control groups keep the backslashes
// that the names of units may have.
var globbed = strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace

// Spans is who ran it between from and to.
func (w *Runners) Spans(from, to time.Time) (within []rig.Span) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.spans {
		if s.To.After(from) && s.From.Before(to) {
			within = append(within, s)
		}
	}
	return within
}

// Together counts the spans since then in which two or more machines ran it.
func (w *Runners) Together(since time.Time) (count int) {
	for _, s := range w.Spans(since, time.Now()) {
		if len(s.Owners) > 1 {
			count++
		}
	}
	return count
}

// Order is who ran it since then, one after the other, as in "hist-a", "", "hist-b"; a
// machine that runs it together with others is in a name with them.
func (w *Runners) Order(since time.Time) (names []string) {
	for _, s := range w.Spans(since, time.Now()) {
		names = append(names, strings.Join(s.Owners, "+"))
	}
	return names
}
