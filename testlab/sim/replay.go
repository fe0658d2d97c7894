package sim

import (
	"time"

	"vipd/token"
)

// Somebody records what the nodes send, and sends it again when it pleases: on another
// path, to another node, in a silence, in the middle of a failover, after restarts. All
// that such datagrams may do is to be counted.

// tapeLength bounds what is recorded; later datagrams take the place of random ones.
const tapeLength = 4096

// record keeps a datagram, if the plan has somebody who replays.
func (w *World) record(p packet) {
	if !w.recording {
		return
	}
	if len(w.tape) < tapeLength {
		w.tape = append(w.tape, p)
		return
	}
	w.tape[w.thief.below(tapeLength)] = p
}

// replays begins to send what was recorded to a host, Amount a second. The choice of the
// datagrams has a chance of its own, so that the world is the same without it.
func (w *World) replays(f Fault) {
	every := int64(time.Second) / int64(max(f.Amount, 1))
	for at := w.Now; at <= w.Now+int64(f.For); at += every {
		w.At(at, func() { w.replay(w.Hosts[f.A]) })
		if f.Kind == ReplayOne {
			return
		}
	}
}

// replay sends the host one recorded datagram of an earlier session, if there is one.
func (w *World) replay(h *Host) {
	for range 16 {
		if len(w.tape) == 0 {
			return
		}
		p := w.tape[w.thief.below(len(w.tape))]
		if p.from == h || !w.old(h, p) {
			continue
		}
		p.path, p.arrived, p.blank = uint8(w.thief.below(w.Plan.Paths)), w.Now, w.mute
		steps := h.Steps
		w.check.replaying = true
		h.receive(p)
		w.check.replaying = false
		h.Steps = steps
		w.check.Replayed++
		return
	}
}

// old reports whether the datagram is a recording to the host, beyond doubt: of a session
// before the one that it knows, of any while it knows none, or kept back for longer than
// a dead time and what clocks may differ by. A session that is later than all that it
// knows may be a peer that does not hear us; it counts for a lease, and is left out.
func (w *World) old(h *Host, p packet) bool {
	if h.machine == nil {
		return false
	}
	known := h.machine.Beats().Peer(p.from.Slot)
	age := time.Duration(w.Now - p.sent)
	switch {
	case known.Session == 0 && p.start > 0 && p.start >= h.disk.starts[p.from.Slot]:
		return age > 2*w.Plan.Dead() && h.sounds[p.from.Slot].covers(p, h) // the session that an earlier run knew counts as there from the start on
	case known.Session == 0:
		return p.sent < h.begun && age > 2*w.Plan.Dead() // what is younger may have come by a slow way
	case known.Session == p.session:
		return age > 2*w.Plan.Dead()+h.now().Sub(known.Heard)/2
	}
	if p.session == p.from.session && age <= 2*w.Plan.Dead() {
		return false // the first copy to come of what is on its way; a start of 0 ranks no session
	}
	return p.start <= known.Start
}

// sound is what a run of a daemon has heard of a peer while no session of it has proved
// itself: the session that began last.
type sound struct {
	session, start, seq uint64
	at                  int64 // of the newest, world time
}

// hear notes a datagram that is not replayed.
func (s *sound) hear(p *packet, at int64) {
	switch {
	case p.start == 0 || p.start < s.start:
	case p.session != s.session:
		*s = sound{p.session, p.start, p.message.Seq, at}
	case p.message.Seq > s.seq:
		s.seq, s.at = p.message.Seq, at
	}
}

// covers reports whether the datagram says nothing new to the host, which no session of the
// peer has proved itself to: it is of an earlier session than was heard, or an earlier or the
// same message of that; or the peer was silent for a dead time since the host's start, and
// its session is the one that an earlier run knew.
func (s *sound) covers(p packet, h *Host) bool {
	if p.start < s.start || p.session == s.session && p.message.Seq <= s.seq {
		return true
	}
	since := max(h.begun, h.thawedAt, s.at)
	return p.start == h.disk.starts[p.from.Slot] && time.Duration(h.world.Now-since) > 2*h.world.Plan.Dead()
}

// What a lost state leaves of the start counter.
const (
	floored  = iota // the clock gives another
	unknown         // no clock can be trusted
	goneBack        // the disk is an old copy, and no clock can be trusted
	lostStates
)

// loseState kills the daemon and takes its disk away.
func (h *Host) loseState(how int) {
	h.Kill()
	h.unsynced = how != floored
	h.world.check.losePromises(h)
	high, timed := h.disk.highWater, h.disk.timed
	h.disk = disk{records: make([]token.Record, len(h.disk.records)), halted: map[string]bool{}, broken: h.disk.broken}
	h.disk.highWater, h.disk.timed = high, timed // what a lost high water means is not this fault's to show
	if how == goneBack {
		h.disk.start = 1
	}
}
