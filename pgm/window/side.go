package window

import "vipd/pgm/packet"

// had reports whether a packet is here, or was handed on or reported lost.
func (w *Receive) had(n packet.Seq) bool {
	return n.Before(w.next) || n.Before(w.edge) && w.slots[w.index(n)].state == have
}

// The sides of a doubt that a packet may be on.
type side uint8

const (
	neither side = iota
	present
	another
)

// sideOfData says which life a data packet belongs to, and begins or ends a doubt.
func (s *Session) sideOfData(now Instant, p *packet.Packet) side {
	w := s.live
	if span := p.Seq.From(p.Trail); !w.joined || span < 0 || span >= maxWindow {
		return present // joins, or is refused there
	}
	original := p.Type == packet.ODATA
	over := w.end != nil && p.Seq.After(w.endLead)
	syn := original && p.Options.Contains(packet.OptSYN) && w.synAt(p.Seq)
	if s.other == nil {
		switch {
		case over, syn:
			return s.begin(now, true)
		case p.Seq.From(w.lead) > maxAhead, original && w.had(p.Seq):
			return s.begin(now, false)
		case p.Trail.From(w.lead) > 1:
			defer func() { s.doubt.leap = true }()
			return s.begin(now, false)
		}
		return present
	}
	fits, nearer := s.other.near(p.Seq)
	after := p.Seq.From(w.lead)
	few := s.doubt.packets < fewPackets && !s.doubt.sure
	switch goesOn := !over && after > 0 && after <= maxAhead && p.Trail.From(w.lead) <= 1; {
	case goesOn && (!fits || after < nearer || few && after == nearer):
		if few {
			return s.trust()
		}
		if fits {
			return another
		}
		return present
	case fits && nearer > 0 && s.doubt.leap && p.Trail.From(w.lead) <= provenAhead && !s.other.path && !syn && !s.doubt.sure:
		// A second packet tells of the same gap: the present life has gone on without us.
		w.passTrail(now, s.other.trail)
		w.see(now, s.other.lead)
		w.adopt(now, s.other)
		return s.trust()
	case fits:
		s.doubt.sure = s.doubt.sure || syn
		return another
	case !over && w.waitsFor(p.Seq):
		return present
	case original && !s.other.around(p.Seq) && !w.around(p.Seq):
		return s.begin(now, over || syn) // of neither
	}
	return neither
}

// around reports whether a number is near those of a life, be it before or after.
func (w *Receive) around(n packet.Seq) bool {
	d := n.From(w.lead)
	return w.joined && d >= -maxWindow && d <= maxWindow
}

// synAt reports whether an OPT_SYN at n contradicts where the life began.
func (w *Receive) synAt(n packet.Seq) bool {
	if w.synSeen {
		return n != w.syn
	}
	return n.After(w.first)
}

// near reports whether a number fits into a life, and how far after its youngest it is.
func (w *Receive) near(n packet.Seq) (fits bool, after int) {
	after = n.From(w.lead)
	return w.joined && !n.Before(w.trail) && after <= maxWindow, after
}

// waitsFor reports whether a number is known to be missing.
func (w *Receive) waitsFor(n packet.Seq) bool {
	return !n.Before(w.next) && n.Before(w.edge) && w.slots[w.index(n)].state.waiting()
}

// sideOfSPM says which life an SPM belongs to, and begins or ends a doubt.
func (s *Session) sideOfSPM(now Instant, p *packet.Packet) side {
	w := s.live
	if span := p.Lead.Add(1).From(p.Trail); !w.joined || span < 0 || span > maxWindow {
		return present // joins, or is refused there
	}
	if w.path && p.Seq == w.spm && p.Lead == w.spmLead {
		return neither // came twice
	}
	goesOn := w.goesOn(p)
	switch {
	case s.other == nil && goesOn:
		return present
	case s.other == nil:
		return s.begin(now, false)
	case goesOn && !(s.other.follows(p) && (s.doubt.backwards || p.Seq.From(s.other.spm) <= p.Seq.From(w.spm))):
		return s.trust()
	case s.other.path && !s.other.follows(p):
		if d := p.Seq.From(s.other.spm); !s.other.around(p.Lead) || d > 0 || d < -spmAhead {
			return s.begin(now, false)
		}
		if s.doubt.late++; s.doubt.late < fewLate {
			return neither
		}
		if s.doubt.packets == 0 {
			return s.begin(now, false) // one packet told of the life before
		}
		s.other.path = false // its last SPM was not of this life
		s.other.retract(p.Lead)
	case s.other.joined && !s.other.path && (p.Lead.Before(s.other.trail.Add(-1)) || p.Trail.From(s.other.lead) > 1):
		return s.begin(now, false) // data of yet another life began the doubt
	case s.other.joined && !s.other.around(p.Lead):
		return s.begin(now, false)
	}
	s.doubt.late = 0
	return another
}

// tellsEnd reports whether an SPM tells the end that the session is known to have.
func (w *Receive) tellsEnd(p *packet.Packet) bool {
	ends := p.Options.Contains(packet.OptFIN) || p.Options.Contains(packet.OptRST)
	return w.end != nil && ends && p.Lead == w.endLead
}

// goesOn reports whether an SPM can be the present life's next.
func (w *Receive) goesOn(p *packet.Packet) bool {
	switch {
	case w.end != nil && !w.tellsEnd(p), p.Lead.From(w.lead) > maxAhead:
		return false
	case !w.path:
		return w.around(p.Lead) && p.Trail.From(w.lead) <= 1
	}
	return w.follows(p)
}

// follows reports whether an SPM may come after the last: its number and both edges only
// go forward (section 5.1.4).
func (w *Receive) follows(p *packet.Packet) bool {
	ahead := p.Seq.From(w.spm)
	return w.path && ahead > 0 && ahead <= spmAhead && !p.Lead.Before(w.spmLead) && !p.Trail.Before(w.spmTrail)
}
