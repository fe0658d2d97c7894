package window

import "vipd/pgm/packet"

// Session follows one source through its lives. A source that starts again under the
// identifier it had (TSI) numbers its packets anew. RFC 3208 gives receivers one hint of it,
// OPT_SYN on the first packet (section 9.6), and anybody can forge a packet. So a packet that
// contradicts the present life opens a second window beside the first:
//
//	packet that contradicts --> doubt --> SPMs are asked for (SPMR, section 13)
//	                              |  packets of the present life go on --> doubt ends
//	                              '- two SPMs of the other life answer,
//	                                 none of the present one          --> the other is believed
//
// Nothing is lost meanwhile: the second window keeps what belongs to it. While in doubt the
// first window asks for no repairs, for another life would answer with its own numbers. The
// end of a session, too, is believed when a second packet tells of it, or when no packet has
// contradicted the first for a while.
type Session struct {
	c     ReceiveConfig
	live  *Receive
	lives int
	old   []*Receive // lives that ended by another one, while they are handed on

	other   *Receive // the life that packets speak of; nil without doubt
	doubted *Receive // what other had when its packets proved to be the present life's
	doubt   doubt
}

// NewSession makes a session that joins at the first packet.
func NewSession(c ReceiveConfig) *Session {
	return &Session{c: c, live: NewReceive(c), lives: 1}
}

// Live is the window of the present life.
func (s *Session) Live() *Receive { return s.live }

// Lives is how many lives of the source were believed, the present one included.
func (s *Session) Lives() int { return s.lives }

// Doubts reports whether packets speak of another life.
func (s *Session) Doubts() bool { return s.other != nil }

// Allow sets how many packets the window may hold from now on.
func (s *Session) Allow(packets int) {
	s.c.Packets = packets
	s.live.Allow(packets)
	if s.other != nil {
		s.other.Allow(packets)
	}
}

// Data takes an ODATA or RDATA; keep copies a payload that the window is to keep.
func (s *Session) Data(now Instant, p *packet.Packet, keep func([]byte) []byte) Verdict {
	switch s.sideOfData(now, p) {
	case present:
		return storeIn(s.live, now, p, keep)
	case another:
		s.doubt.last = now
		s.doubt.packets++
		s.other.joinEarlier(p.Seq)
		v := storeIn(s.other, now, p, keep)
		if s.doubt.packets > 1 {
			return v
		}
	}
	return s.live.refusal(p.Seq)
}

// storeIn hands a packet to a window and copies the payload if it is of use there.
func storeIn(w *Receive, now Instant, p *packet.Packet, keep func([]byte) []byte) Verdict {
	w.contradictEnd(p.Seq.After(w.ending.last))
	defer restoreEnd(p, w.firstOfEnd(now, p, p.Seq))
	payload := p.Payload
	if w.Wants(p.Seq) {
		payload = keep(payload)
	}
	return w.Data(now, p, payload)
}

// refusal says why a number is not taken.
func (w *Receive) refusal(n packet.Seq) Verdict {
	switch {
	case w.end != nil && (w.ended || n.After(w.endLead)):
		return Ended
	case n.Before(w.next):
		return Old
	case n.From(w.lead) > maxAhead:
		return Far
	}
	return Duplicate
}

// SPM takes a source path message.
func (s *Session) SPM(now Instant, p *packet.Packet) Verdict {
	switch s.sideOfSPM(now, p) {
	case present:
		v := tellIn(s.live, now, p)
		if v == Kept && s.doubted != nil {
			s.live.adopt(now, s.doubted)
			s.doubted = nil
		}
		return v
	case another:
		s.doubt.last = now
		if s.doubt.asked > 0 {
			s.doubt.spms++
		}
		s.doubt.tellsEnd = s.live.tellsEnd(p)
		late := now < s.live.seenAt.Add(proof/2) // it may have been sent before that number
		s.doubt.backwards = s.doubt.backwards || !late && p.Lead.Before(s.live.seen)
		return tellIn(s.other, now, p)
	}
	return Stale
}

// tellIn hands an SPM to a window.
func tellIn(w *Receive, now Instant, p *packet.Packet) Verdict {
	reset := p.Options.Contains(packet.OptRST)
	ends := p.Options.Contains(packet.OptFIN) || reset
	w.contradictEnd(w.follows(p) && (!ends || w.ending.end.Reset && !reset))
	defer restoreEnd(p, w.firstOfEnd(now, p, p.Lead))
	return w.SPM(now, p)
}

// NCF takes one number of an NCF or of another receiver's NAK. In doubt it shows no new
// number: it may be of either life.
func (s *Session) NCF(now Instant, n packet.Seq) {
	if s.other == nil {
		s.live.NCF(now, n)
		return
	}
	for _, w := range []*Receive{s.live, s.other} {
		if w.joined && !n.After(w.lead) {
			w.NCF(now, n)
		}
	}
}

// Due lets time pass, and appends to out the numbers to ask for now: see Receive.Due.
func (s *Session) Due(now Instant, out []packet.Seq) []packet.Seq {
	s.judge(now)
	if s.other != nil {
		return out
	}
	return s.live.Due(now, out)
}

// Question reports whether the source is to be asked for an SPM now, and counts it as
// asked.
func (s *Session) Question(now Instant) bool {
	due := false
	if s.other != nil && now >= s.doubt.ask {
		s.doubt.ask, due = now.Add(askEvery), true
		s.doubt.asked++
	}
	if e := &s.live.ending; e.told && now >= e.ask {
		e.ask, due = now.Add(askEndEvery), true
	}
	return due
}

// Deadline is when Due and Question must be asked next, or Never.
func (s *Session) Deadline() Instant {
	d := Never
	if s.other != nil {
		d = min(s.doubt.ask, s.doubt.last.Add(forgetDoubt))
		if s.doubt.spms >= 2 {
			d = min(d, s.doubt.since.Add(proof))
		}
	} else {
		d = s.live.Deadline()
	}
	if e := &s.live.ending; e.told {
		if d = min(d, e.ask); s.other == nil {
			d = min(d, e.at.Add(endProof))
		}
	}
	return d
}

// Pull returns the next message, hole, end or restart: see Receive.Pull.
func (s *Session) Pull() Item {
	if len(s.old) > 0 {
		if item := s.old[0].Pull(); item.Kind != Nothing && item.Kind != Finish {
			return item
		}
		s.old = s.old[1:]
		return Item{Kind: Restart}
	}
	return s.live.Pull()
}

// Ready reports whether Pull may have something.
func (s *Session) Ready() bool { return len(s.old) > 0 || s.live.Ready() }

// Abandon gives the source up: see Receive.Abandon.
func (s *Session) Abandon() {
	s.other, s.live.ending = nil, ending{}
	s.live.Abandon()
}
