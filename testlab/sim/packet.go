package sim

import (
	"vipd/heartbeat"
	"vipd/heartbeat/clock"
)

// stamp names one sealed datagram.
type stamp struct{ session, counter uint64 }

// datagram is what a host says at a time, to all whom it says it to.
type datagram struct {
	from    *Host
	session uint64
	start   uint64 // of the session
	sent    int64
	message heartbeat.Message
}

// packet is one that goes to one host on one path: each has a counter of its own.
type packet struct {
	*datagram
	counter uint64
	arrived int64
	path    uint8
	blank   bool // it has the host step, and says nothing to it
}

func (p *packet) stamp() stamp { return stamp{p.session, p.counter} }

// datagram returns an empty one of the host's. Room is made for many at a time.
func (w *World) datagram(from *Host) *datagram {
	if len(w.datagrams) == 0 {
		w.datagrams = make([]datagram, datagramsAtOnce)
	}
	d := &w.datagrams[0]
	w.datagrams = w.datagrams[1:]
	d.from, d.session, d.start, d.sent = from, from.session, from.start, w.Now
	return d
}

// datagramsAtOnce is for how many datagrams room is made.
const datagramsAtOnce = 16

// receive hands a message to the daemon, or to its socket while it is frozen.
func (h *Host) receive(p packet) {
	switch {
	case h.machine == nil:
	case h.frozen:
		if len(h.socket) < 256 {
			h.socket = append(h.socket, p)
		}
	case !h.opened.has(p.stamp()):
		known := h.machine.Beats().Peer(p.from.Slot)
		if p.start == 0 || p.start >= known.Start { // the seal does not open others, the machine refuses them again
			h.opened.add(p.stamp())
		}
		h.heardStarts[p.from.Slot] = max(h.heardStarts[p.from.Slot], p.start)
		if !h.world.check.replaying && known.Session == 0 {
			h.sounds[p.from.Slot].hear(&p, h.world.Now)
		}
		t := p.arrived - h.boot
		from := p.from.Slot
		if p.blank {
			from = h.Slot
		}
		r := heartbeat.Received{From: from, Session: p.session, Start: p.start, Path: p.path,
			Arrived: clock.Instant(t + t*h.ppm/1e6), Wall: h.wallAt(p.arrived), Message: &p.message}
		h.step(r)
		h.confirm(p)
		h.follow(r)
	}
}

// follow beats after a peer whose beat has just been heard, and counted.
func (h *Host) follow(r heartbeat.Received) {
	if h.machine != nil && h.machine.Beats().Leads(r) && h.sender.Follow(h.now()) {
		h.say(h.sender.Beat())
	}
}

// confirm keeps on the disk which start a peer has proved.
func (h *Host) confirm(p packet) {
	if p.start <= h.disk.starts[p.from.Slot] || h.machine == nil || h.disk.broken || p.blank || h.machine.Beats().Peer(p.from.Slot).Session != p.session {
		return
	}
	h.disk.starts[p.from.Slot] = p.start
}
