package sim

import (
	"time"

	"vipd/token"
	"vipd/vipd/node"
)

// Inject schedules a fault: its beginning and its end.
func (w *World) Inject(f Fault) {
	switch w.Plan.Class {
	case Blinks:
		w.At(int64(f.At)-1, w.check.remember)
		w.At(int64(f.At+f.For+settle)-1, func() { w.check.unmoved() })
	case Errands:
		w.At(int64(f.At+f.For)-1, func() { w.check.delivered(f) })
	}
	w.At(int64(f.At), func() { w.check.disturb(); w.begin(f) })
	w.At(int64(f.At+f.For), func() { w.check.disturb(); w.end(f) })
}

func (w *World) begin(f Fault) {
	h := w.Hosts[f.A]
	switch f.Kind {
	case Crash:
		h.Kill()
	case Reboot:
		h.PowerOff()
	case Freeze:
		h.Freeze()
	case Terminate:
		h.step(node.Stop{})
	case Restart:
		h.step(node.Restart{})
	case LinkLoss:
		w.setLink(h, true)
	case SickCheck:
		h.sick = true
		h.judge()
	case Suspension:
		h.order(node.Command{ID: w.random.uint64(), Verb: node.Suspend, Node: h.Slot})
	case MoveTo:
		w.Hosts[f.B].order(node.Command{ID: w.random.uint64(), Verb: node.Move, Token: f.Amount, Node: h.Slot})
	case MuteCrash:
		w.isolate(f.A, 1<<w.Plan.Paths-1, true, false)
		w.At(w.Now+int64(muteFor(&w.Plan, f.Amount)), func() { h.Kill(); w.isolate(f.A, 1<<w.Plan.Paths-1, false, false) })
	case DiskFull:
		h.disk.broken, h.diskFull = true, true
	case Reload:
		h.file.without, h.file.reshape = f.Amount, -1
		h.reload()
	case ClockStep:
		h.wall += int64(f.Amount) * 1e6
		w.check.wrongClock = true
	case Clumsy:
		h.clumsy = true
	case Replay, ReplayOne:
		w.replays(f)
	case StateLost:
		h.loseState(f.Amount)
	case Unwanted:
		h.setBits(f.Amount, token.ReleaseRequested)
	default:
		if f.Kind.ofGroup() {
			w.beginGroup(f)
			return
		}
		if f.Kind.isExtra() {
			w.beginExtra(f)
			return
		}
		w.disturbNetwork(f, true)
	}
}

func (w *World) end(f Fault) {
	h := w.Hosts[f.A]
	switch f.Kind {
	case Crash, Terminate, Restart, Reboot, MuteCrash, StateLost:
		w.revive(h)
	case Replay, ReplayOne:
	case Freeze:
		h.Thaw()
	case LinkLoss:
		w.setLink(h, false)
	case SickCheck:
		h.sick = false
		h.judge()
	case Suspension:
		h.endSuspension(node.Command{ID: w.random.uint64(), Verb: node.Resume, Node: h.Slot})
	case MoveTo:
		for i := range w.Hosts {
			w.Hosts[i].order(node.Command{ID: w.random.uint64(), Verb: node.Unpin, Token: f.Amount})
		}
	case DiskFull:
		h.disk.broken = false
	case Reload:
		h.file.without, h.file.reshape = -1, -1
		h.reload()
	case ClockStep:
		h.wall -= int64(f.Amount) * 1e6
	case Clumsy:
		h.clumsy = false
	case Unwanted:
		h.setBits(f.Amount, 0)
	default:
		if f.Kind.ofGroup() {
			w.endGroup(f)
			return
		}
		if f.Kind.isExtra() {
			w.endExtra(f)
			return
		}
		w.disturbNetwork(f, false)
	}
}

// endSuspension has an operator end a suspension, of a daemon that is frozen as soon as it
// runs again.
func (h *Host) endSuspension(c node.Command) {
	if h.frozen {
		h.late = append(h.late, func() { h.order(c) })
	}
	h.order(c)
	h.disk.suspended = false
}

// revive brings the host and its daemon back, once the daemon is gone: one that
// was asked to stop may still be saying good-bye.
func (w *World) revive(h *Host) {
	h.PowerOn()
	h.Start()
	if h.machine != nil && h.machine.State() >= 4 {
		w.At(w.Now+int64(100*time.Millisecond), func() { w.check.disturb(); w.revive(h) })
	}
}

func (w *World) disturbNetwork(f Fault, on bool) {
	switch f.Kind {
	case CutOne:
		w.Cut(f.A, f.B, f.Paths, on)
	case CutBoth:
		w.Cut(f.A, f.B, f.Paths, on)
		w.Cut(f.B, f.A, f.Paths, on)
	case CutTail:
		w.Cut(f.B, f.A, f.Paths, on)
		if on {
			w.Cut(f.A, f.B, f.Paths, on)
			return
		}
		w.At(w.Now+int64(f.Amount)*1e6, func() { w.check.disturb(); w.Cut(f.A, f.B, f.Paths, false) })
	case Isolate:
		w.isolate(f.A, f.Paths, on, true)
	case CutAll:
		for a := range w.Hosts {
			for b := range w.Hosts {
				if a != b {
					w.Cut(a, b, f.Paths, on)
				}
			}
		}
	case Lossy, Slow:
		w.degrade(f, on)
	}
}

// isolate cuts what the node sends, and with both also what it is sent.
func (w *World) isolate(a, paths int, on, both bool) {
	for b := range w.Hosts {
		if b == a {
			continue
		}
		w.Cut(a, b, paths, on)
		if both {
			w.Cut(b, a, paths, on)
		}
	}
}

func (w *World) degrade(f Fault, on bool) {
	sign := -1
	if on {
		sign = 1
	}
	for a := range w.links {
		for b := range w.links[a] {
			for p := range w.links[a][b] {
				l := &w.links[a][b][p]
				if f.Kind == Lossy {
					l.loss += sign * f.Amount
				} else {
					l.delay += time.Duration(sign*f.Amount) * time.Millisecond
				}
			}
		}
	}
}

func (w *World) setLink(h *Host, off bool) {
	defer w.check.heard(h)
	w.check.heard(h)
	for i := range w.Plan.Tokens {
		h.linkOff[i] = off
	}
	h.judge()
}
