package groups

import (
	"context"
	"sync"

	"vipd/services"
	"vipd/services/unit"
)

// UnitRunner does what is ordered of one unit of a group, one thing after another. A
// stop cuts a start short; of orders that wait only the newest counts.
type UnitRunner struct {
	group, number int
	tell          func(services.Event)
	fresh         func(died func(string)) (unit.Unit, error) // makes the unit of the newest configuration
	applyLease    func(context.Context, unit.Unit) error     // called before a start: the group's lease
	stopped       func()                                     // called when nothing of the unit is left

	mu          sync.Mutex
	next        *unitOrder         // waits
	cancelStart context.CancelFunc // ends the start under way
	running     unit.Unit          // what runs, or may have left something
	order       uint64             // the order that it runs by, 0 if it was adopted
	wake        chan struct{}
}

// unitOrder is one Start or Stop.
type unitOrder struct {
	start bool
	order uint64
	env   unit.Env
}

// enqueue gives the hand an order; it does not wait.
func (h *UnitRunner) enqueue(o unitOrder) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.next = &o
	if !o.start && h.cancelStart != nil {
		h.cancelStart()
	}
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// run carries orders out until ctx ends; then what runs goes on.
func (h *UnitRunner) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.wake:
		}
		for o := h.take(); o != nil && ctx.Err() == nil; o = h.take() {
			if o.start {
				h.start(ctx, *o)
			} else {
				h.stop(ctx, *o)
			}
		}
	}
}

func (h *UnitRunner) take() *unitOrder {
	h.mu.Lock()
	defer h.mu.Unlock()
	o := h.next
	h.next = nil
	return o
}

func (h *UnitRunner) start(ctx context.Context, o unitOrder) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	u, err := h.newUnit(cancel, o.order)
	if err == nil {
		err = h.applyLease(ctx, u)
	}
	if err == nil {
		err = u.Start(ctx, o.env)
	}
	h.mu.Lock()
	h.cancelStart = nil
	h.mu.Unlock()
	if err != nil {
		h.tell(services.StartFailed{Group: h.group, Unit: h.number, Order: o.order, Text: err.Error()})
		return
	}
	h.tell(services.Started{Group: h.group, Unit: h.number, Order: o.order})
}

// newUnit makes the unit that the order is to start.
func (h *UnitRunner) newUnit(cut context.CancelFunc, order uint64) (unit.Unit, error) {
	u, err := h.fresh(h.died)
	if err != nil {
		return nil, err
	}
	h.close()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running, h.order, h.cancelStart = u, order, cut
	if h.next != nil && !h.next.start {
		cut()
	}
	return u, nil
}

func (h *UnitRunner) died(text string) {
	h.mu.Lock()
	order := h.order
	h.mu.Unlock()
	h.tell(services.Died{Group: h.group, Unit: h.number, Order: order, Text: text})
}

func (h *UnitRunner) stop(ctx context.Context, o unitOrder) {
	h.mu.Lock()
	u := h.running
	h.mu.Unlock()
	if u != nil {
		if err := u.Stop(ctx); err != nil {
			h.tell(services.StopFailed{Group: h.group, Unit: h.number, Order: o.order, Text: err.Error()})
			return
		}
	}
	h.close()
	h.stopped()
	h.tell(services.Stopped{Group: h.group, Unit: h.number, Order: o.order})
}

// adopt finds out whether the unit runs since before this daemon did.
func (h *UnitRunner) adopt(ctx context.Context) (bool, error) {
	u, err := h.fresh(h.died)
	if err != nil {
		return false, err
	}
	running, err := u.Adopt(ctx)
	if err != nil || !running {
		u.Close()
		return false, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running, h.order = u, 0
	return true, nil
}

// holds reports whether something of the unit may be here.
func (h *UnitRunner) holds() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.running != nil
}

// close ends the watching; what runs goes on. It waits for a death that is being
// told, so not with the lock held.
func (h *UnitRunner) close() {
	h.mu.Lock()
	u := h.running
	h.running = nil
	h.mu.Unlock()
	if u != nil {
		u.Close()
	}
}
