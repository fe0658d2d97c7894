package sim

import (
	"time"

	"vipd/services"
	"vipd/token"
	"vipd/vipd/node"
)

// crew is a daemon's hands for one group: they do what is ordered of a unit one
// after the other, a stop cutting a start short.
type crew struct {
	hands   []hand
	probing uint64 // the order to check, 0 if not to
}

type hand struct {
	busy, starting bool
	work           int    // counts what it has begun
	order          uint64 // under way
	lived          uint64 // the order that the unit runs by, 0 if it was adopted
	next           services.Action
}

func (c *crew) hand(u int) *hand { return &c.hands[u] }

func (w *World) crews() []crew {
	list := make([]crew, len(w.Plan.Groups))
	for g := range list {
		list[g].hands = make([]hand, w.Plan.Groups[g].Units+1)
	}
	return list
}

// service does what the machine says of a group.
func (h *Host) service(a services.Action) {
	switch a := a.(type) {
	case services.Start:
		h.tell(a.Group, a.Unit, a)
	case services.Stop:
		h.tell(a.Group, a.Unit, a)
	case services.Probe:
		c := &h.crews[a.Group]
		if c.probing = 0; a.On {
			c.probing = a.Order
			h.probe(a.Group, a.Order)
		}
	}
}

// probe checks the group until it is ordered otherwise. A check that hangs takes
// longer, and fails.
func (h *Host) probe(g int, order uint64) {
	d, f := checkEvery, &h.gangs[g].faults
	if f.hung > 0 {
		d += checkLimit
	}
	h.after(d, func() {
		if h.crews[g].probing != order {
			return
		}
		ok := f.sick+f.hung == 0 && h.gangs[g].whole()
		h.probe(g, order)
		h.step(services.Result{Group: g, Order: order, OK: ok, Text: "probed"})
	})
}

// tell gives the hand an order.
func (h *Host) tell(g, u int, a services.Action) {
	hd := h.crews[g].hand(u)
	hd.next = a
	if _, stop := a.(services.Stop); stop && hd.busy && hd.starting {
		order := hd.order
		hd.work++
		hd.busy = false
		h.after(0, func() { h.step(services.StartFailed{Group: g, Unit: u, Order: order, Text: "cut short"}) })
	}
	if !hd.busy {
		h.work(g, u)
	}
}

// work begins what is ordered next.
func (h *Host) work(g, u int) {
	hd := h.crews[g].hand(u)
	a := hd.next
	if hd.next = nil; a == nil {
		return
	}
	hd.busy = true
	hd.work++
	work := hd.work
	d, finish := h.begin(g, u, a)
	h.after(d, func() {
		if hd.work != work {
			return
		}
		hd.busy = false
		ev := finish()
		h.work(g, u)
		h.step(ev)
	})
}

// begin begins one order; finish ends it and returns the answer.
func (h *Host) begin(g, u int, a services.Action) (d time.Duration, finish func() services.Event) {
	hd, gang := h.crews[g].hand(u), &h.gangs[g]
	d = h.world.handsTime() + h.world.random.upTo(gang.plan().UnitTime)
	switch a := a.(type) {
	case services.Start:
		hd.starting, hd.order, hd.lived = true, a.Order, a.Order
		h.world.check.starting(h, a)
		gang.guard()
		gang.spawn(u)
		if gang.faults.slow > 0 {
			d += slowStart
		}
		finish = func() services.Event { return h.started(gang, u, a.Order) }
	case services.Stop:
		hd.starting, hd.order = false, a.Order
		finish = func() services.Event { return h.stopped(gang, u, a.Order) }
	}
	return d, finish
}

// slowStart is how much longer a slow unit takes.
const slowStart = time.Second

func (h *Host) started(gang *gang, u int, order uint64) services.Event {
	if gang.faults.failing > 0 || !gang.units[u].alive {
		gang.units[u].alive = false
		return services.StartFailed{Group: gang.number, Unit: u, Order: order, Text: "does not start"}
	}
	return services.Started{Group: gang.number, Unit: u, Order: order}
}

func (h *Host) stopped(gang *gang, u int, order uint64) services.Event {
	if gang.faults.stuck > 0 && gang.units[u].here {
		return services.StopFailed{Group: gang.number, Unit: u, Order: order, Text: "does not stop"}
	}
	gang.clear(u)
	return services.Stopped{Group: gang.number, Unit: u, Order: order}
}

// page notes a lease for the next daemon: since when the token is held.
func (h *Host) page(a token.Lease) {
	if k := &h.kernel[a.Token]; a.Limit != 0 && k.epoch != a.Epoch {
		k.since = h.now().Add(-h.machine.Tokens().Look(h.now(), a.Token).Tenure)
	}
}

// muster adopts what an earlier daemon left of each group, or stops it: what has a
// lease that lasts, what the record of this boot says is ours, and what everybody
// may run.
func (h *Host) muster() {
	for g := range h.gangs {
		gang := &h.gangs[g]
		k := *gang.entry()
		*gang.entry() = entry{}
		if !gang.left() {
			continue
		}
		epoch, ok := h.heir(gang, k)
		if !ok {
			gang.end() // cleared has seen that it can be
			continue
		}
		h.world.check.happened(adoptions)
		now := h.now()
		if k.expiry == 0 {
			k.since = now
		}
		gang.entry().since = k.since
		h.step(token.Adopt{Token: gang.token(), Epoch: epoch, Expiry: max(k.expiry, now), Tenure: now.Sub(k.since)})
		gang.guard()
		gang.look()
		h.step(services.Adopt{Group: g, Epoch: epoch, Running: gang.running()})
	}
}

// running is what of the group's units was found.
func (g *gang) running() (list []bool) {
	for u := range g.units {
		if u < g.plan().Units {
			list = append(list, g.units[u].alive)
		} else if g.units[u].here {
			g.clear(u) // in no configuration any more
		}
	}
	return list
}

// heir returns the epoch under which the group may go on.
func (h *Host) heir(gang *gang, k entry) (epoch uint64, ok bool) {
	left, record := k.expiry.Sub(h.now()), h.disk.records[gang.token()]
	bits := gang.plan().Bits
	switch {
	case k.expiry != 0 && left > 2*time.Millisecond && left <= max(h.world.Plan.Lease(), node.Grace):
		return k.epoch, true
	case bits&token.DisableInheritance != 0 && record.Holder:
		return record.Epoch, true
	case bits&token.AllowMultiple != 0 && k.expiry != 0:
		return k.epoch, true
	}
	return 0, false
}

// cleared reports whether what must be stopped before the daemon speaks can be.
func (h *Host) cleared() bool {
	for g := range h.gangs {
		gang := &h.gangs[g]
		if _, ok := h.heir(gang, *gang.entry()); gang.faults.stuck > 0 && gang.left() && !ok {
			return false
		}
	}
	return true
}

// recall tells the machine what the disk knows of groups.
func (h *Host) recall() {
	var names []string
	for g := range h.gangs {
		i := h.gangs[g].token()
		h.step(token.Recall{Token: i, Record: h.disk.records[i]})
		if name := h.world.specs[i].Name; h.disk.halted[name] {
			names = append(names, name)
		}
	}
	if names != nil {
		h.step(node.Halted{Names: names})
	}
}
