package daemon

import (
	"context"
	"sync"

	"vipd/services"
	"vipd/services/unit"
)

// hand does what is ordered of one unit of a group, one thing after another. A
// stop cuts a start short; of orders that wait only the newest counts.
type hand struct {
	group, number int
	tell          func(any)
	fresh         func(died func(string)) (unit.Unit, error) // makes the unit of the newest configuration
	guard         func(context.Context, unit.Unit) error     // called before a start: the group's lease
	left          func()                                     // called when nothing of the unit is left

	mu    sync.Mutex
	next  *unitOrder         // waits
	cut   context.CancelFunc // ends the start under way
	live  unit.Unit          // what runs, or may have left something
	lived uint64             // the order that it runs by, 0 if it was adopted
	wake  chan struct{}
}

// unitOrder is one Start or Stop.
type unitOrder struct {
	start bool
	order uint64
	env   unit.Env
}

// ask gives the hand an order; it does not wait.
func (h *hand) ask(o unitOrder) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.next = &o
	if !o.start && h.cut != nil {
		h.cut()
	}
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// run carries orders out until ctx ends; then what runs goes on.
func (h *hand) run(ctx context.Context) {
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

func (h *hand) take() *unitOrder {
	h.mu.Lock()
	defer h.mu.Unlock()
	o := h.next
	h.next = nil
	return o
}

func (h *hand) start(ctx context.Context, o unitOrder) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	u, err := h.begin(cancel, o.order)
	if err == nil {
		err = h.guard(ctx, u)
	}
	if err == nil {
		err = u.Start(ctx, o.env)
	}
	h.mu.Lock()
	h.cut = nil
	h.mu.Unlock()
	if err != nil {
		h.tell(services.StartFailed{Group: h.group, Unit: h.number, Order: o.order, Text: err.Error()})
		return
	}
	h.tell(services.Started{Group: h.group, Unit: h.number, Order: o.order})
}

// begin makes the unit that the order is to start.
func (h *hand) begin(cut context.CancelFunc, order uint64) (unit.Unit, error) {
	u, err := h.fresh(h.died)
	if err != nil {
		return nil, err
	}
	h.close()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.live, h.lived, h.cut = u, order, cut
	if h.next != nil && !h.next.start {
		cut()
	}
	return u, nil
}

func (h *hand) died(text string) {
	h.mu.Lock()
	order := h.lived
	h.mu.Unlock()
	h.tell(services.Died{Group: h.group, Unit: h.number, Order: order, Text: text})
}

func (h *hand) stop(ctx context.Context, o unitOrder) {
	h.mu.Lock()
	u := h.live
	h.mu.Unlock()
	if u != nil {
		if err := u.Stop(ctx); err != nil {
			h.tell(services.StopFailed{Group: h.group, Unit: h.number, Order: o.order, Text: err.Error()})
			return
		}
	}
	h.close()
	h.left()
	h.tell(services.Stopped{Group: h.group, Unit: h.number, Order: o.order})
}

// adopt finds out whether the unit runs since before this daemon did.
func (h *hand) adopt(ctx context.Context) (bool, error) {
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
	h.live, h.lived = u, 0
	return true, nil
}

// holds reports whether something of the unit may be here.
func (h *hand) holds() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.live != nil
}

// close ends the watching; what runs goes on. It waits for a death that is being
// told, so not with the lock held.
func (h *hand) close() {
	h.mu.Lock()
	u := h.live
	h.live = nil
	h.mu.Unlock()
	if u != nil {
		u.Close()
	}
}
