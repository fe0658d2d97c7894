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
		k.since = h.now().Add(-h.machine.Tokens().Status(h.now(), a.Token).Tenure)
	}
}

// found is what a start of the daemon finds of every token.
func (h *Host) found() (list []node.Found) {
	for i := range h.kernel {
		k := &h.kernel[i]
		f := node.Found{Token: i, Bits: h.file.bits[i], Group: h.world.isGroup(i), Up: k.up, Record: h.disk.records[i]}
		if f.Group {
			f.Up = h.gangOf(i).left()
		}
		if k.epoch != 0 {
			f.Lease = node.Left{Epoch: k.epoch, Expiry: k.page, Since: k.since, Pinned: k.pinned}
		}
		list = append(list, f)
	}
	return list
}

// kept is what the disk keeps of the node.
func (h *Host) kept() node.Kept {
	k := node.Kept{Suspended: h.disk.suspended}
	for g := range h.gangs {
		if name := h.world.specs[h.gangs[g].token()].Name; h.disk.halted[name] {
			k.Halted = append(k.Halted, name)
		}
	}
	return k
}

// carryOut does one step of a start.
func (h *Host) carryOut(a node.BootAction) {
	switch a := a.(type) {
	case node.Adopt:
		h.resume(a)
	case node.Remove:
		if h.world.isGroup(a.Token) {
			h.gangOf(a.Token).end() // cleared has seen that it can be
		}
	case node.Tell:
		h.step(a.Event)
	}
}

// resume has a token go on, and a group's units with it.
func (h *Host) resume(a node.Adopt) {
	k := &h.kernel[a.Token]
	if !h.world.isGroup(a.Token) {
		*k = entry{up: true, epoch: a.Lease.Epoch, expiry: a.Lease.Expiry, page: a.Lease.Expiry, since: a.Lease.Since, pinned: a.Lease.Pinned}
		h.step(a.Event(h.now()))
		return
	}
	h.world.check.happened(adoptions)
	k.since = a.Lease.Since
	h.step(a.Event(h.now()))
	gang := h.gangOf(a.Token)
	gang.guard()
	gang.look()
	h.step(services.Adopt{Group: gang.number, Epoch: a.Lease.Epoch, Running: gang.running()})
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

// cleared reports whether what must be stopped before the daemon speaks can be.
func (h *Host) cleared(start []node.BootAction) bool {
	for _, a := range start {
		if r, ok := a.(node.Remove); ok && h.world.isGroup(r.Token) && h.gangOf(r.Token).faults.stuck > 0 {
			return false
		}
	}
	return true
}
