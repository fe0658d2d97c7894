package window

import "vipd/pgm/packet"

// ending is an end that one packet has told of.
type ending struct {
	told bool
	by   witness
	last packet.Seq
	at   Instant
	ask  Instant
	end  End
}

// witness names a packet: the same one may come twice.
type witness struct {
	kind   packet.Type
	number packet.Seq
}

// firstOfEnd takes the end out of a packet that is the first to tell of one, and returns
// what it took. A second packet must tell of the same kind of end, and of the same last
// number. What a session that has finished still owes is given up by a reset alone, so that
// one is not believed at once either.
func (w *Receive) firstOfEnd(now Instant, p *packet.Packet, last packet.Seq) (taken uint32) {
	taken = p.Options.Has & (packet.OptFIN.Bit() | packet.OptRST.Bit())
	e := End{Reset: p.Options.Contains(packet.OptRST)}
	by := witness{p.Type, p.Seq}
	if taken == 0 || w.end != nil && (w.end.Reset || !e.Reset) {
		return 0
	}
	if o := &w.ending; o.told && o.end.Reset == e.Reset && o.last == last && o.by != by {
		return 0
	}
	if e.Reset {
		e.Code = p.Options.ResetCode
	}
	w.ending = ending{told: true, by: by, last: last, at: now, ask: now.Add(askAfter), end: e}
	p.Options.Has &^= taken
	return taken
}

// restoreEnd puts the end back into the packet: it is the caller's.
func restoreEnd(p *packet.Packet, taken uint32) { p.Options.Has |= taken }

// contradictEnd drops an end that is told of when a packet shows that the session goes on.
func (w *Receive) contradictEnd(goesOn bool) {
	if w.ending.told && goesOn {
		w.ending = ending{}
	}
}
