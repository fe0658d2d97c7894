package window

import (
	"time"

	"vipd/pgm/packet"
)

// doubt is what speaks for another life.
type doubt struct {
	since, last Instant    // when it began, and when a packet last spoke for it
	ask         Instant    // when an SPM is to be asked for
	asked       int        // how often it was
	spms        int        // SPMs of the other life since then
	packets     int        // of the other life
	late        int        // SPMs in a row that do not follow the other life's last
	seen        packet.Seq // the youngest number of the present life when it began
	backwards   bool       // an SPM showed less sent than that
	leap        bool       // it began by data whose trail leaves out numbers
	sure        bool       // an OPT_SYN, or data after the end, shows that it is no odd packet of the present one
	tellsEnd    bool       // its last SPM tells the end that the present life has told
}

const (
	// askAfter is how long a doubt waits for the present life to go on before an SPM
	// is asked for; askEvery is the time between questions.
	askAfter = 5 * time.Millisecond
	askEvery = 20 * time.Millisecond
	// proof is how long the present life must not go on before another is believed.
	proof = 50 * time.Millisecond
	// endProof is how long nothing must contradict an end that one packet told of: a
	// source that goes on sends an SPM each second, and answers questions.
	endProof = time.Second
	// askEndEvery is the time between questions whether it has ended.
	askEndEvery = 25 * time.Millisecond
	// forgetDoubt is how long another life may be silent.
	forgetDoubt = time.Second
	// spmAhead is how far SPM numbers of one life may leap: sources send at most some
	// hundred a second.
	spmAhead = 1 << 17
	// provenAhead is how far one life goes on while there is doubt.
	provenAhead = 1 << 16
	// fewLate are as many SPMs as a network may deliver late in a row.
	fewLate = 3
	// fewPackets are no more than a network may deliver twice or late.
	fewPackets = 8
)

// begin begins to doubt.
func (s *Session) begin(now Instant, sure bool) side {
	s.other, s.doubted = NewReceive(s.c), nil
	s.doubt = doubt{since: now, last: now, ask: now.Add(askAfter), seen: s.live.seen, sure: sure}
	return another
}

// trust ends the doubt: the present life goes on.
func (s *Session) trust() side {
	if !s.doubt.sure && (s.live.end == nil || s.doubt.tellsEnd) {
		s.doubted = s.other
	}
	s.other = nil
	return present
}

// adopt takes over the packets of a window that doubted the same life.
func (w *Receive) adopt(now Instant, o *Receive) {
	for n := o.next; o.joined && n.Before(o.edge); n = n.Add(1) {
		if from := &o.slots[o.index(n)]; from.state == have && w.waitsFor(n) {
			to := &w.slots[w.index(n)]
			w.leave(w.index(n))
			to.state, to.payload, to.fragment = have, from.payload, from.fragment
			w.stored++
			if n.After(w.seen) {
				w.seen, w.seenAt = n, now
			}
		}
	}
}

// judge ends a doubt, and believes an end, when it is time to.
func (s *Session) judge(now Instant) {
	switch o := s.other; {
	case o == nil:
	case s.doubt.spms >= 2 && s.doubt.asked > 0 && now >= s.doubt.since.Add(proof):
		s.believe(now)
	case now >= s.doubt.last.Add(forgetDoubt):
		s.other = nil
		if o.end != nil && s.same(o) {
			s.goOn(now, o) // to the end of which the source does not tell again
		}
	}
	if e := s.live.ending; s.other == nil && e.told && now >= e.at.Add(endProof) {
		s.live.ending = ending{}
		s.live.End(e.last, e.end)
	}
}

// believe takes the other life for the present one, unless it is the same one whose SPM
// numbers had been led astray.
func (s *Session) believe(now Instant) {
	o := s.other
	s.other = nil
	if s.same(o) {
		s.goOn(now, o)
		return
	}
	s.live.stop(gaveUp)
	if s.live.end == nil || !s.live.ended {
		s.live.end, s.live.endLead = &End{Next: true}, s.live.lead
	}
	s.old = append(s.old, s.live)
	s.live = o
	s.lives++
}

// same reports whether o, of which SPMs tell, can be the present life.
func (s *Session) same(o *Receive) bool {
	d := &s.doubt
	return !d.sure && !d.backwards && (s.live.end == nil || d.tellsEnd) &&
		o.spmTrail.From(d.seen) <= provenAhead && !(o.synSeen && s.live.synAt(o.syn))
}

// goOn goes on with the present life as o tells of it.
func (s *Session) goOn(now Instant, o *Receive) {
	s.live.resume(now, o)
	s.live.adopt(now, o)
	switch s.live.ending = o.ending; {
	case o.end == nil || s.live.ended:
	case o.end.Reset:
		s.live.cut(o.endLead)
		s.live.reset(o.endLead, o.end.Code)
	case s.live.end == nil:
		s.live.finish(o.endLead)
	}
}

// resume goes on with the SPMs of o, which are the same life's: one packet had told of
// others.
func (w *Receive) resume(now Instant, o *Receive) {
	w.retract(o.lead)
	w.spm, w.spmLead, w.spmTrail, w.path = o.spm, o.spmLead, o.spmTrail, true
	w.passTrail(now, o.spmTrail)
	w.see(now, o.lead)
}
