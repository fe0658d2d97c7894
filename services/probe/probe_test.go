package probe

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// staged is a checker that takes so long, one check after another, and then no
// time any more. It answers the context as those of the room do.
type staged struct {
	began time.Time
	takes []time.Duration
	at    []time.Duration // when each check began
}

func (s *staged) check(ctx context.Context) (string, error) {
	s.at = append(s.at, time.Since(s.began))
	var d time.Duration
	if len(s.takes) > 0 {
		d, s.takes = s.takes[0], s.takes[1:]
	}
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case <-time.After(d):
		return "fine", nil
	}
}

// A check that comes late takes the next place in the row, and only one.
func TestLateChecksAreNotMadeUpFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &staged{began: time.Now(), takes: []time.Duration{0, 40 * time.Millisecond, 250 * time.Millisecond, time.Hour}}
		var said []string
		ctx, cancel := context.WithTimeout(t.Context(), 1350*time.Millisecond)
		defer cancel()
		p := &Probe{checker: s, options: Options{
			Interval: 100 * time.Millisecond, Timeout: 500 * time.Millisecond,
			Result: func(ok bool, text string) { said = append(said, text) },
		}}
		p.Run(ctx)
		const ms = time.Millisecond
		want := []time.Duration{0, 100 * ms, 200 * ms, 500 * ms, 1100 * ms, 1200 * ms, 1300 * ms}
		if !slices.Equal(s.at, want) {
			t.Errorf("checks at %v, want %v", s.at, want)
		}
		if want := []string{"fine", "fine", "fine", "timed out after 500ms", "fine", "fine", "fine"}; !slices.Equal(said, want) {
			t.Errorf("said %q", said)
		}
	})
}

// Probes that began at different times check together from the second check on.
func TestChecksFallTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ms = time.Millisecond
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 450*ms)
		defer cancel()
		var both sync.WaitGroup
		stages := []*staged{{began: began}, {began: began}}
		for i, s := range stages {
			both.Go(func() {
				time.Sleep(time.Duration(i) * 130 * ms)
				p := &Probe{checker: s, options: Options{Interval: 100 * ms, Timeout: 100 * ms, Since: began.Add(-1020 * ms), Result: func(bool, string) {}}}
				p.Run(ctx)
			})
		}
		both.Wait()
		for i, want := range [][]time.Duration{{0, 80 * ms, 180 * ms, 280 * ms, 380 * ms}, {130 * ms, 180 * ms, 280 * ms, 380 * ms}} {
			if !slices.Equal(stages[i].at, want) {
				t.Errorf("checks at %v, want %v", stages[i].at, want)
			}
		}
	})
}

func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p := &Probe{checker: &staged{takes: []time.Duration{30 * time.Millisecond}}, options: Options{
			Interval: time.Second, Timeout: time.Second, Result: func(bool, string) { cancel() },
		}}
		if p.Latency() != 0 {
			t.Error("a latency before the first check")
		}
		p.Run(ctx)
		if p.Latency() != 30*time.Millisecond {
			t.Errorf("latency %v", p.Latency())
		}
	})
}

// A check that is broken off because the probe ends has not failed.
func TestEndWithinACheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		p := &Probe{checker: &staged{takes: []time.Duration{time.Hour}}, options: Options{
			Interval: time.Second, Timeout: time.Second, Result: func(_ bool, text string) { t.Errorf("told %q", text) },
		}}
		p.Run(ctx)
	})
}

func TestUnit(t *testing.T) {
	for _, c := range []struct {
		state string
		err   error
		ok    bool
		text  string
	}{
		{"active", nil, true, "active"},
		{"reloading", nil, true, "reloading"},
		{"failed", nil, false, "failed"},
		{"activating", nil, false, "activating"},
		{"", errors.New("no bus"), false, "no bus"},
	} {
		ok, text := once(t, "unit:historian.service", Options{
			UnitState: func(_ context.Context, name string) (string, error) {
				if name != "historian.service" {
					t.Errorf("asked for %q", name)
				}
				return c.state, c.err
			},
		})
		if ok != c.ok || text != c.text {
			t.Errorf("%s, %v: %v %q", c.state, c.err, ok, text)
		}
	}
	if ok, text := once(t, "unit:historian.service", Options{}); ok || text != "no systemd to ask" {
		t.Errorf("without systemd: %v %q", ok, text)
	}
}

// once parses and checks once, with 10 s for it unless the options say less.
func once(t *testing.T, text string, o Options) (ok bool, said string) {
	t.Helper()
	target, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	o.Interval = LongestInterval
	p, err := New(target, o)
	if err != nil {
		t.Fatal(err)
	}
	return p.once(t.Context())
}
