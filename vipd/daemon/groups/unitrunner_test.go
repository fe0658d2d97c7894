package groups

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vipd/services"
	"vipd/services/unit"
)

// fakeUnit takes as long as it is told to start, and fails as it is told.
type fakeUnit struct {
	died  func(string)
	takes time.Duration
	fails error // of Stop

	mu   sync.Mutex
	done []string
}

func (u *fakeUnit) did(what string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.done = append(u.done, what)
}

func (u *fakeUnit) Name() string { return "exec:/fake" }

func (u *fakeUnit) Start(ctx context.Context, _ unit.Env) error {
	select {
	case <-ctx.Done():
		u.did("start cut")
		return ctx.Err()
	case <-time.After(u.takes):
		u.did("start")
		return nil
	}
}

func (u *fakeUnit) Stop(context.Context) error {
	u.did("stop")
	return u.fails
}

func (u *fakeUnit) Adopt(context.Context) (bool, error) { return true, nil }

func (u *fakeUnit) Close() error {
	u.did("close")
	return nil
}

// newTestRunner is a hand whose unit is u, and what it tells.
func newTestRunner(t *testing.T, u *fakeUnit) (h *UnitRunner, told func() []services.Event) {
	var mu sync.Mutex
	var list []services.Event
	h = &UnitRunner{group: 2, number: 1, wake: make(chan struct{}, 1), applyLease: func(context.Context, unit.Unit) error { return nil }, stopped: func() { u.did("left") },
		tell:  func(ev services.Event) { mu.Lock(); defer mu.Unlock(); list = append(list, ev) },
		fresh: func(died func(string)) (unit.Unit, error) { u.died = died; return u, nil }}
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	go h.run(ctx)
	return h, func() []services.Event {
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(list)
	}
}

// A hand starts, tells of a death by the order that the unit lived by, and stops.
func TestUnitRunner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &fakeUnit{}
		h, told := newTestRunner(t, u)
		h.enqueue(unitOrder{start: true, order: 7})
		time.Sleep(time.Millisecond)
		synctest.Wait()
		u.died("killed by signal 9")
		h.enqueue(unitOrder{order: 8})
		want := []services.Event{services.Started{Group: 2, Unit: 1, Order: 7}, services.Died{Group: 2, Unit: 1, Order: 7, Text: "killed by signal 9"},
			services.Stopped{Group: 2, Unit: 1, Order: 8}}
		if got := told(); !slices.Equal(got, want) {
			t.Errorf("told %v, want %v", got, want)
		}
		if want := []string{"start", "stop", "close", "left"}; !slices.Equal(u.done, want) || h.holds() {
			t.Errorf("did %v, want %v", u.done, want)
		}
	})
}

// A stop cuts a start short, and of orders that wait only the newest is done.
func TestStopCancelsAStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &fakeUnit{takes: time.Hour}
		h, told := newTestRunner(t, u)
		h.enqueue(unitOrder{start: true, order: 1})
		time.Sleep(time.Minute)
		h.enqueue(unitOrder{order: 2})
		h.enqueue(unitOrder{start: true, order: 3})
		h.enqueue(unitOrder{order: 4})
		got := told()
		if failed, ok := got[0].(services.StartFailed); !ok || failed.Order != 1 {
			t.Errorf("told first %v", got[0])
		}
		if last := got[len(got)-1]; last != (services.Stopped{Group: 2, Unit: 1, Order: 4}) || len(got) != 2 {
			t.Errorf("told %v", got)
		}
		if want := []string{"start cut", "stop", "close", "left"}; !slices.Equal(u.done, want) {
			t.Errorf("did %v, want %v", u.done, want)
		}
	})
}

// What does not stop is not let go of; the same order again is another try.
func TestUnitThatCannotStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &fakeUnit{fails: errors.New("pid 12 is left")}
		h, told := newTestRunner(t, u)
		if on, err := h.adopt(t.Context()); !on || err != nil {
			t.Fatal(on, err)
		}
		h.enqueue(unitOrder{order: 5})
		if got := told(); !slices.Equal(got, []services.Event{services.StopFailed{Group: 2, Unit: 1, Order: 5, Text: "pid 12 is left"}}) || !h.holds() {
			t.Fatalf("told %v", got)
		}
		u.fails = nil
		h.enqueue(unitOrder{order: 5})
		if got := told(); got[len(got)-1] != (services.Stopped{Group: 2, Unit: 1, Order: 5}) || h.holds() {
			t.Errorf("told %v", got)
		}
	})
}

// Without its lease a group starts nothing.
func TestStartNeedsItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &fakeUnit{}
		h, told := newTestRunner(t, u)
		h.applyLease = func(context.Context, unit.Unit) error { return errors.New("no lease") }
		h.enqueue(unitOrder{start: true, order: 1})
		if got := told(); len(got) != 1 || got[0] != (services.StartFailed{Group: 2, Unit: 1, Order: 1, Text: "no lease"}) {
			t.Errorf("told %v", got)
		}
		if slices.Contains(u.done, "start") {
			t.Error("started")
		}
	})
}
