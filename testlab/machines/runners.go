package machines

import (
	"context"
	"os"
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
// Each look asks every machine twice, a moment apart, and counts who ran both times: a
// unit that just moved is not seen in two places.
type Runners struct {
	units    []string
	machines []*Machine
	stop     context.CancelFunc
	run      sync.WaitGroup

	mu    sync.Mutex
	spans []rig.Span
}

// Runners begins to watch who runs any of the units. A unit is one of systemd, such as
// "redis-server.service", or vipd's own: a service group, or "GROUP/UNIT" of it.
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
		if slices.ContainsFunc(w.units, m.runs) {
			names = append(names, m.name)
		}
	}
	return names
}

// runs says whether the machine runs it.
func (m *Machine) runs(unit string) bool {
	top := m.cgroup.sub("payload")
	for _, place := range slices.Concat(unitPlaces(unit), top.slicePlaces(unit)) {
		its := top.sub(place)
		if its.is("populated 1") && !its.is("frozen 1") {
			return true
		}
	}
	return false
}

// unitPlaces are where below a machine's topmost control group that of a unit may be:
// systemd has a slice for all instances of a template, and vipd a folder for its own.
func unitPlaces(unit string) []string {
	if !strings.HasSuffix(unit, ".service") {
		return []string{filepath.Join("vipd", unit)}
	}
	places := []string{filepath.Join("system.slice", unit)}
	if template, _, ok := strings.Cut(unit, "@"); ok {
		slice := "system-" + strings.ReplaceAll(template, "-", `\x2d`) + ".slice"
		places = append(places, filepath.Join("system.slice", slice, unit))
	}
	return places
}

// slicePlaces are where it may be below the slices that vipd makes for groups, of those
// that are there.
func (g cgroup) slicePlaces(unit string) (places []string) {
	const all = "vipd.slice"
	below, _ := os.ReadDir(string(g.sub(all))) // none on most machines
	for _, each := range below {
		if each.IsDir() {
			places = append(places, filepath.Join(all, each.Name(), unit))
		}
	}
	return places
}

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
