package sim

import (
	"time"

	"vipd/token"
	"vipd/vipd/node"
)

// isExtra reports whether only an extra draws the disturbance.
func (k FaultKind) isExtra() bool { return k >= ReloadAny && k < kinds }

func (w *World) beginExtra(f Fault) {
	h := w.Hosts[f.A]
	switch f.Kind {
	case ReloadAny:
		h.edit(f.Amount, f.How)
		h.reload()
	case DiskLost:
		h.Kill()
		h.loseDisk()
	case ForceTake:
		h.Kill()
		w.At(w.Now+int64(w.Plan.Dead()+100*time.Millisecond), func() { w.force(w.Hosts[f.B], f.Amount) })
	case Answerer:
		h.PowerOff()
		w.proxies[f.Amount] = append(w.proxies[f.Amount], h.Slot)
	default:
		h.hands.set(f.Kind, true)
		h.judge()
	}
}

func (w *World) endExtra(f Fault) {
	h := w.Hosts[f.A]
	switch f.Kind {
	case ReloadAny:
		h.file = w.planFile(f.A)
		h.reload()
	case DiskLost, ForceTake:
		w.revive(h)
	case Answerer:
		w.proxies[f.Amount] = w.proxies[f.Amount][1:]
		w.revive(h)
	default:
		h.hands.set(f.Kind, false)
		h.judge()
	}
}

// loseDisk empties the disk. What an operator ordered is forgotten too.
func (h *Host) loseDisk() {
	h.world.check.losePromises(h)
	h.disk = disk{records: make([]token.Record, len(h.disk.records)), halted: map[string]bool{}, broken: h.disk.broken}
	h.world.check.stateLost[h.Slot-1] = h.world.Now
	if h.unsynced || h.world.check.wrongClock {
		h.world.check.forgetful[h.Slot-1] = true
	}
}

// force has an operator give the token to the node, who has seen that no daemon runs
// that is not heard, and that the token is not held.
func (w *World) force(to *Host, i int) {
	if !to.Running() {
		return
	}
	for _, o := range w.Hosts {
		if o == to {
			continue
		}
		dead := o.machine == nil && !o.Answers(i)
		p := to.machine.Beats().Peer(o.Slot)
		heard := o.machine != nil && p.Session == o.session && p.Silence(to.now()) < w.Plan.Dead()
		if !dead && (!heard || o.machine.Tokens().Phase(i) != token.Idle) {
			return
		}
	}
	w.check.forced[i] = true
	to.order(node.Command{ID: w.random.uint64(), Verb: node.Take, Token: i, Node: to.Slot})
}

// handFaults are what is wrong with a host's hands.
type handFaults struct {
	unable       bool // a setting of the host keeps addresses from working, and is known to
	takeFails    bool // putting up fails, which is known by trying alone
	undoRefused  bool // what is up can't be removed
	leaseRefused bool // the kernel takes no lease
	distrusted   []bool
}

func (f *handFaults) set(k FaultKind, on bool) {
	switch k {
	case Unable:
		f.unable = on
	case TakeFails:
		f.takeFails = on
	case UndoRefused:
		f.undoRefused = on
	case LeaseRefused:
		f.leaseRefused = on
	}
	if !on {
		clear(f.distrusted)
	}
}

// fail reports whether the hands can put nothing up.
func (f *handFaults) fail() bool { return f.unable || f.takeFails || f.leaseRefused }

// judge tells the daemon what speaks against its host.
func (h *Host) judge() {
	for i := range h.world.Plan.Tokens {
		r := h.against(i)
		h.after(0, func() { h.step(token.Eligibility{Token: i, Reasons: r}) })
	}
}

// against is what speaks against the host for the token, as far as it is known.
func (h *Host) against(i int) (r token.Reason) {
	if h.linkOff[i] {
		r |= token.LinkDown
	}
	if h.sick {
		r |= token.CheckFailing
	}
	if h.hands.unable {
		r |= token.Unable
	}
	if h.hands.distrusted[i] {
		r |= token.TakeFailed
	}
	if h.hands.leaseRefused && !h.linkOff[i] {
		r |= token.LeaseOpen
	}
	return r
}

// distrust notes a take that failed; another node that is fit is the better one.
func (h *Host) distrust(i int) {
	if h.hands.takeFails || h.hands.leaseRefused {
		h.hands.distrusted[i] = true
		h.judge()
	}
}

// takeDown removes the address, once that is possible.
func (h *Host) takeDown(i int) {
	if h.hands.undoRefused && h.kernel[i].up {
		h.after(20*time.Millisecond, func() { h.takeDown(i) })
		return
	}
	h.kernel[i] = entry{epoch: h.kernel[i].epoch}
	h.world.check.answering(h, i)
	h.step(token.Down{Token: i})
}

// runLate has the daemon run late from time to time.
func (w *World) runLate(l Late) {
	h := w.Hosts[l.Node]
	var again func()
	again = func() {
		if l.Until != 0 && w.Now > int64(l.Until) {
			return
		}
		if l.Until != 0 {
			w.check.disturb()
		}
		h.lag(l.By, l.LoopOnly)
		w.At(w.Now+int64(l.By+l.Every), again)
	}
	w.At(int64(l.From), again)
	if l.Until != 0 {
		w.At(int64(l.Until+l.By), w.check.disturb)
	}
}

// lag keeps the daemon from running for so long: all of it, or its loop alone.
func (h *Host) lag(d time.Duration, loopOnly bool) {
	if !h.Running() || h.busy {
		return
	}
	life := h.life
	h.lateAt = h.world.Now + int64(d)
	if loopOnly {
		h.busy = true
	} else {
		h.frozen = true
	}
	h.world.At(h.world.Now+int64(d), func() {
		switch {
		case h.life != life:
		case loopOnly:
			h.catchUp()
		default:
			h.Thaw()
		}
	})
}

// catchUp is for a loop that runs again: what waited is there at once, or when the daemon
// thaws.
func (h *Host) catchUp() {
	switch {
	case !h.busy:
		return
	case h.frozen:
		h.late = append(h.late, h.catchUp)
		return
	}
	h.busy = false
	waiting := h.waiting
	h.waiting = nil
	for _, f := range waiting {
		if h.machine == nil {
			return
		}
		f()
	}
	h.step(node.Tick{})
}

// proxied are the dead hosts in whose place something answers for the token.
func (w *World) proxied(i int) (list []uint8) {
	for _, slot := range w.proxies[i] {
		if h := w.Hosts[slot-1]; h.machine == nil && !h.Answers(i) {
			list = append(list, slot)
		}
	}
	return list
}
