package window

import (
	"time"

	"vipd/pgm/packet"
)

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
	sure        bool       // an end or an OPT_SYN shows that it is no odd packet of the present one
}

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
	askEndEvery = 100 * time.Millisecond
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

// had reports whether a packet is here, or was handed on or reported lost.
func (w *Receive) had(n packet.Seq) bool {
	return n.Before(w.next) || n.Before(w.edge) && w.slots[w.index(n)].state == have
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
		late := now < s.live.seenAt.Add(proof/2) // it may have been sent before that number
		s.doubt.backwards = s.doubt.backwards || !late && p.Lead.Before(s.live.seen)
		return tellIn(s.other, now, p)
	}
	return Stale
}

// tellIn hands an SPM to a window.
func tellIn(w *Receive, now Instant, p *packet.Packet) Verdict {
	ends := p.Options.Contains(packet.OptFIN) || p.Options.Contains(packet.OptRST)
	w.contradictEnd(!ends && w.follows(p))
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

// The sides of a doubt that a packet may be on.
type side uint8

const (
	neither side = iota
	present
	another
)

// begin begins to doubt.
func (s *Session) begin(now Instant, sure bool) side {
	s.other, s.doubted = NewReceive(s.c), nil
	s.doubt = doubt{since: now, last: now, ask: now.Add(askAfter), seen: s.live.seen, sure: sure}
	return another
}

// trust ends the doubt: the present life goes on.
func (s *Session) trust() side {
	if !s.doubt.sure {
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
		return s.begin(now, w.end != nil)
	case goesOn && !(s.other.follows(p) && (s.doubt.backwards || p.Seq.From(s.other.spm) <= p.Seq.From(w.spm))):
		return s.trust()
	case s.other.path && !s.other.follows(p):
		if d := p.Seq.From(s.other.spm); !s.other.around(p.Lead) || d > 0 || d < -spmAhead {
			return s.begin(now, w.end != nil)
		}
		if s.doubt.late++; s.doubt.late < fewLate {
			return neither
		}
		s.other.path = false // its last SPM was of somebody else
	case s.other.joined && !s.other.around(p.Lead):
		return s.begin(now, w.end != nil)
	}
	s.doubt.late = 0
	return another
}

// goesOn reports whether an SPM can be the present life's next.
func (w *Receive) goesOn(p *packet.Packet) bool {
	ends := p.Options.Contains(packet.OptFIN) || p.Options.Contains(packet.OptRST)
	switch {
	case w.end != nil && (!ends || p.Lead != w.endLead), p.Lead.From(w.lead) > maxAhead:
		return false
	case !w.path:
		return w.around(p.Lead)
	}
	return w.follows(p)
}

// follows reports whether an SPM may come after the last: its number and both edges only
// go forward (section 5.1.4).
func (w *Receive) follows(p *packet.Packet) bool {
	ahead := p.Seq.From(w.spm)
	return w.path && ahead > 0 && ahead <= spmAhead && !p.Lead.Before(w.spmLead) && !p.Trail.Before(w.spmTrail)
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
		d = min(d, e.ask, e.at.Add(endProof))
	}
	return d
}

// judge ends a doubt, and believes an end, when it is time to.
func (s *Session) judge(now Instant) {
	if e := s.live.ending; e.told && now >= e.at.Add(endProof) {
		s.live.ending = ending{}
		s.live.End(e.last, e.end)
	}
	switch {
	case s.other == nil:
	case s.doubt.spms >= 2 && s.doubt.asked > 0 && now >= s.doubt.since.Add(proof):
		s.believe(now)
	case now >= s.doubt.last.Add(forgetDoubt):
		s.other = nil
	}
}

// believe takes the other life for the present one, unless it is the same one whose SPM
// numbers had been led astray.
func (s *Session) believe(now Instant) {
	o := s.other
	s.other = nil
	if !s.doubt.sure && !s.doubt.backwards && s.live.end == nil && o.spmTrail.From(s.doubt.seen) <= provenAhead && !(o.synSeen && s.live.synAt(o.syn)) {
		s.live.resume(now, o)
		s.live.adopt(now, o)
		s.live.ending = ending{}
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

// resume goes on with the SPMs of o, which are the same life's: one packet had told of
// others.
func (w *Receive) resume(now Instant, o *Receive) {
	for w.edge.After(o.lead.Add(1)) && w.edge.After(w.next) && w.edge.Add(-1).After(w.seen) {
		w.edge = w.edge.Add(-1)
		w.leave(w.index(w.edge))
		w.slots[w.index(w.edge)] = slot{}
	}
	w.spm, w.spmLead, w.spmTrail, w.path = o.spm, o.spmLead, o.spmTrail, true
	if o.lead.Before(w.lead) {
		w.lead = w.seen.Later(o.lead).Later(w.edge.Add(-1))
	}
	w.passTrail(now, o.spmTrail)
	w.see(now, o.lead)
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

// firstOfEnd takes the end out of a packet that is the first to tell of one, and returns
// what it took.
func (w *Receive) firstOfEnd(now Instant, p *packet.Packet, last packet.Seq) (taken uint32) {
	taken = p.Options.Has & (packet.OptFIN.Bit() | packet.OptRST.Bit())
	e := End{Reset: p.Options.Contains(packet.OptRST)}
	by := witness{p.Type, p.Seq}
	if taken == 0 || w.end != nil || w.ending.told && w.ending.end.Reset == e.Reset && w.ending.by != by {
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
