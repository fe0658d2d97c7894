package sim

import "vipd/vipd/node"

// ofGroup reports whether the disturbance is of a group.
func (k FaultKind) ofGroup() bool { return k >= GroupSick && k <= Reshape }

func (w *World) beginGroup(f Fault) {
	h := w.Hosts[f.A]
	switch f.Kind {
	case UnitDeath:
		if h.alive {
			h.gangs[f.Amount].die(w.random.below(w.Plan.Groups[f.Amount].Units))
		}
	case HaltOrder:
		w.orderGroup(h, h, node.Halt, f.Amount)
	case RenewOrder:
		w.orderGroup(w.Hosts[f.B], h, node.Renew, f.Amount)
	case Reshape:
		h.file.without, h.file.reshape = -1, f.Amount
		h.reload()
	default:
		w.hurt(f, 1)
	}
}

func (w *World) endGroup(f Fault) {
	switch f.Kind {
	case UnitDeath, RenewOrder:
	case Reshape:
		w.Hosts[f.A].file.without, w.Hosts[f.A].file.reshape = -1, -1
		w.Hosts[f.A].reload()
	case HaltOrder:
		w.orderGroup(w.Hosts[f.A], w.Hosts[f.A], node.Begin, f.Amount)
	default:
		w.hurt(f, -1)
		for _, h := range w.Hosts {
			w.orderGroup(h, h, node.Begin, f.Amount)
		}
	}
}

// orderGroup has a daemon order what is to be done to the group on a node.
func (w *World) orderGroup(at, on *Host, v node.Verb, g int) {
	at.order(node.Command{ID: w.random.uint64(), Verb: v, Token: w.Plan.Tokens + g, Node: on.Slot})
}

// hurt makes something of the group fail, or lets it be well again.
func (w *World) hurt(f Fault, sign int) {
	for _, h := range w.Hosts {
		if x := &h.gangs[f.Amount].faults; h == w.Hosts[f.A] || f.Kind == CrashLoops {
			*x.of(f.Kind) += sign
			x.crashAfter = f.Lag
		}
	}
	if g := &w.Hosts[f.A].gangs[f.Amount]; sign > 0 && f.Kind == CrashLoop || f.Kind == CrashLoops {
		g.die(0)
	}
}

func (f *groupFaults) of(k FaultKind) *int {
	switch k {
	case GroupSick:
		return &f.sick
	case GroupHung:
		return &f.hung
	case StartFails:
		return &f.failing
	case SlowStart:
		return &f.slow
	case Unstoppable:
		return &f.stuck
	}
	return &f.crash
}

// mendGroups ends what is wrong with groups, and has operators forgive them.
func (w *World) mendGroups() {
	for _, h := range w.Hosts {
		for g := range h.gangs {
			delete(h.disk.halted, w.specs[h.gangs[g].token()].Name)
			h.gangs[g].faults = groupFaults{}
			w.orderGroup(h, h, node.Begin, g)
		}
	}
}
