package window

import "vipd/pgm/packet"

// Receive is the receive window of one session (RFC 3208 section 6).
type Receive struct {
	c      ReceiveConfig
	slots  []slot
	queues [queues]queue
	trip   trip // how long repairs take
	seed   uint64

	joined bool       // the session's first number is known
	path   bool       // an SPM came, so NAKs have an address
	spm    packet.Seq // number of the last SPM
	first  packet.Seq // where we joined
	next   packet.Seq // oldest number not handed on
	head   int        // index of next's slot
	edge   packet.Seq // first number without a state
	lead   packet.Seq // youngest number known to be sent
	trail  packet.Seq // oldest number the source can repair
	far    int        // packets in a row that were Far

	limit        int        // numbers looked after at most
	seen         packet.Seq // youngest number whose packet came
	seenAt       Instant    // when it came
	spmLead      packet.Seq // leading edge in the last SPM
	spmTrail     packet.Seq // trailing edge in the last SPM
	syn          packet.Seq // number that carried OPT_SYN
	synSeen      bool       // a packet with OPT_SYN came
	farTrail     packet.Seq // trailing edge beyond everything known, told by one packet so far
	farTrailTold bool       // there is such a leap

	waitingCount int
	stored       int        // packets held
	assembled    packet.Seq // fragments from next up to here fit together
	hole         Loss       // numbers lost just before next, not yet reported
	settled      bool       // the last SPM showed nothing sent after next-1
	leapAs       state      // what numbers are that never get a slot: passed or gaveUp
	ending       ending     // an end that one packet told of
	end          *End       // how the session ended, once known
	endLead      packet.Seq // its last number
	ended        bool       // End was handed on
}

// NewReceive makes a window that joins its session at the first packet.
func NewReceive(c ReceiveConfig) *Receive {
	c = c.withDefaults()
	w := &Receive{c: c, limit: min(numbersPerPacket*c.Packets, maxWindow), seed: c.Seed | 1, leapAs: passed}
	w.slots = make([]slot, min(firstSlots, w.limit))
	for i := range w.queues {
		w.queues[i] = queue{none, none}
	}
	return w
}

// Allow sets how many packets the window may hold from now on, no fewer than so far.
func (w *Receive) Allow(packets int) {
	w.c.Packets = max(w.c.Packets, min(packets, maxWindow))
	w.limit = min(numbersPerPacket*w.c.Packets, maxWindow)
}

// grow doubles the memory of the slots. It moves the oldest number to the first slot.
func (w *Receive) grow() {
	n := len(w.slots)
	moved := func(i int32) int32 {
		if i == none {
			return none
		}
		return int32((int(i) - w.head + n) % n)
	}
	slots := make([]slot, min(2*n, w.limit))
	for i, s := range w.slots {
		if s.state.waiting() {
			s.prev, s.next = moved(s.prev), moved(s.next)
		}
		slots[moved(int32(i))] = s
	}
	for q := range w.queues {
		w.queues[q] = queue{moved(w.queues[q].first), moved(w.queues[q].last)}
	}
	w.slots, w.head = slots, 0
}

// Next is the oldest number that was not handed on yet.
func (w *Receive) Next() packet.Seq { return w.next }

// First is the number at which the session was joined.
func (w *Receive) First() packet.Seq { return w.first }

// Near reports whether a number is one that the session may be at.
func (w *Receive) Near(n packet.Seq) bool { return w.around(n) }

// Lead is the youngest number the source is known to have sent.
func (w *Receive) Lead() packet.Seq { return w.lead }

// Joined reports whether the first number is known.
func (w *Receive) Joined() bool { return w.joined }

// Room is the first number there may be no room for.
func (w *Receive) Room() packet.Seq { return w.next.Add(w.c.Packets) }

// Waiting is how many numbers are being waited for.
func (w *Receive) Waiting() int { return w.waitingCount }

// index finds a number's slot; the number is in [next, next+size).
func (w *Receive) index(s packet.Seq) int32 {
	i := w.head + s.From(w.next)
	if i >= len(w.slots) {
		i -= len(w.slots)
	}
	return int32(i)
}

// start begins the window at the first packet heard (section 6.1): without
// OPT_JOIN at start, with it as far back as the source offers (section 9.4).
func (w *Receive) start(now Instant, start, trail packet.Seq, o *packet.Options) {
	if w.joined {
		return
	}
	if o.Contains(packet.OptJoin) && o.Join.Before(start) && start.From(o.Join) <= maxWindow {
		start = o.Join.Later(trail)
	}
	w.joined = true
	w.first, w.next, w.edge, w.trail, w.assembled = start, start, start, trail, start
	w.lead = start.Add(-1)
	w.seen, w.seenAt, w.hole.First = w.lead, now, start
}

// joinEarlier lets the window join at data from before the point that an SPM told, as long
// as no other data has come: that SPM may be the only one that says so.
func (w *Receive) joinEarlier(n packet.Seq) {
	if w.joined && w.seen == w.first.Add(-1) && n.Before(w.first) {
		w.cut(w.seen)
		w.joined = false
	}
}

// Data takes an ODATA or RDATA (section 6.1). The window keeps payload.
func (w *Receive) Data(now Instant, p *packet.Packet, payload []byte) Verdict {
	if w.end != nil && (w.ended || p.Seq.After(w.endLead)) {
		return Ended
	}
	if span := p.Seq.From(p.Trail); span < 0 || span >= maxWindow {
		return BadTrail
	}
	w.start(now, p.Seq, p.Trail, &p.Options)
	if leaps := w.leaps(p.Trail); w.isFar(p.Seq) || leaps {
		return Far
	}
	w.settled = false
	w.passTrail(now, p.Trail)
	w.see(now, p.Seq)
	if p.Seq.After(w.seen) {
		w.seen, w.seenAt = p.Seq, now
	}
	if p.Options.Contains(packet.OptSYN) {
		w.syn, w.synSeen = p.Seq, true
	}
	v := w.store(now, p, payload)
	if p.Options.Contains(packet.OptFIN) && v == Kept && w.end == nil {
		w.finish(p.Seq)
	}
	return v
}

// isFar doubts a leap over more than maxAhead numbers until farRun packets in
// a row make it.
func (w *Receive) isFar(s packet.Seq) bool {
	if s.From(w.lead) <= maxAhead {
		w.far = 0
		return false
	}
	w.far++
	return w.far < farRun
}

// leaps doubts a trailing edge beyond everything that is known to be sent until a
// second packet tells of it: what it gives up can't be taken back.
func (w *Receive) leaps(trail packet.Seq) bool {
	if trail.From(w.lead) <= 1 {
		w.farTrailTold = false
		return false
	}
	again := w.farTrailTold && trail.From(w.farTrail) >= 0 && trail.From(w.farTrail) <= maxWindow
	w.farTrail, w.farTrailTold = trail, true
	return !again
}

// store puts a payload into its slot.
func (w *Receive) store(now Instant, p *packet.Packet, payload []byte) Verdict {
	switch {
	case p.Seq.Before(w.next):
		return Old
	case !p.Seq.Before(w.edge):
		return Beyond
	}
	i := w.index(p.Seq)
	s := &w.slots[i]
	if s.state == have {
		return Duplicate
	}
	if s.asked != 0 {
		w.trip.add(now.Sub(s.asked))
	}
	w.leave(i)
	s.fragment = packet.Fragment{}
	if p.Options.Contains(packet.OptFragment) {
		if !w.fits(p, len(payload)) {
			s.state = gaveUp
			return BadFragment
		}
		s.fragment = p.Options.Fragment
	}
	s.state, s.payload = have, payload
	w.stored++
	return Kept
}

// fits reports whether a fragment lies within its message and the message
// within our limits (section 9.2).
func (w *Receive) fits(p *packet.Packet, n int) bool {
	f := p.Options.Fragment
	at := p.Seq.From(f.First)
	return f.Length > 0 && int64(f.Length) <= int64(w.c.MaxAPDU) &&
		int64(f.Offset)+int64(n) <= int64(f.Length) && n > 0 &&
		at >= 0 && at < w.c.MaxFragment && (at == 0) == (f.Offset == 0)
}

// see notes that the source has sent s, and looks after every number up to
// it: loss detection (section 6.3).
func (w *Receive) see(now Instant, s packet.Seq) {
	if s.After(w.lead) {
		w.lead, w.settled = s, false
	}
	w.fill(now)
}

// mayGrow reports whether one more number may get a state. While numbers are
// waited for, those after them go on being looked after until Packets are held:
// a receiver that fell behind must not live on repairs alone for ever.
func (w *Receive) mayGrow() bool {
	n := w.edge.From(w.next)
	return n < w.c.Packets || n < w.limit && w.stored < w.c.Packets
}

// fill gives a state to each number that is known to be sent and for which
// there is room.
func (w *Receive) fill(now Instant) {
	for w.joined && !w.edge.After(w.lead) && w.mayGrow() {
		if w.edge.From(w.next) == len(w.slots) {
			w.grow()
		}
		i := w.index(w.edge)
		w.slots[i] = slot{seq: w.edge}
		if w.edge.Before(w.trail) {
			w.slots[i].state = passed
		} else {
			w.toBackOff(now, i)
		}
		w.edge = w.edge.Add(1)
	}
}

// passTrail gives up what the source can't repair any more (section 6.3).
func (w *Receive) passTrail(now Instant, trail packet.Seq) {
	if !trail.After(w.trail) {
		return
	}
	from := w.trail.Later(w.next)
	w.trail = trail
	for s := from; s.Before(trail) && s.Before(w.edge); s = s.Add(1) {
		if i := w.index(s); w.slots[i].state.waiting() {
			w.leave(i)
			w.slots[i].state = passed
		}
	}
	w.see(now, trail.Add(-1))
}

// SPM takes a source path message (section 6.2).
func (w *Receive) SPM(now Instant, p *packet.Packet) Verdict {
	span := p.Lead.Add(1).From(p.Trail)
	switch {
	case w.ended:
		return Ended
	case span < 0 || span > maxWindow:
		return BadTrail
	case w.path && !p.Seq.After(w.spm):
		return Stale
	}
	w.start(now, p.Lead.Add(1), p.Trail, &p.Options)
	if leaps := w.leaps(p.Trail); w.isFar(p.Lead) || leaps {
		return Far
	}
	w.path, w.spm, w.spmLead, w.spmTrail = true, p.Seq, p.Lead, p.Trail
	w.retract(p.Lead) // an NCF may have told of more: if it was the source's, its packets tell again
	w.passTrail(now, p.Trail)
	w.see(now, p.Lead)
	w.settled = p.Lead == w.lead
	switch {
	case p.Options.Contains(packet.OptRST):
		w.cut(p.Lead)
		w.reset(p.Lead, p.Options.ResetCode)
	case p.Options.Contains(packet.OptFIN) && w.end == nil:
		w.finish(p.Lead)
	}
	return Kept
}

// retract takes back that more than lead was sent, as far as no packet shows it: one packet
// had told of it.
func (w *Receive) retract(lead packet.Seq) { w.cut(w.seen.Later(lead)) }

// cut forgets every number after lead that was not handed on.
func (w *Receive) cut(lead packet.Seq) {
	for w.edge.After(lead.Add(1)) && w.edge.After(w.next) {
		w.edge = w.edge.Add(-1)
		i := w.index(w.edge)
		if w.slots[i].state == have {
			w.stored--
		}
		w.leave(i)
		w.slots[i] = slot{}
	}
	lead = lead.Later(w.next.Add(-1))
	for _, n := range []*packet.Seq{&w.lead, &w.seen} {
		if n.After(lead) {
			*n = lead
		}
	}
	if w.assembled.After(w.edge) {
		w.assembled = w.edge
	}
}

// End takes the end of the session as told by an earlier packet: its last number, and
// whether and why it was reset.
func (w *Receive) End(last packet.Seq, e End) {
	switch {
	case w.end != nil && (w.end.Reset || !e.Reset) || !w.joined || w.ended:
	case e.Reset:
		w.reset(w.lead, e.Code)
	default:
		w.end, w.endLead, w.ending = &End{}, w.lead.Later(last), ending{}
	}
}

// finish ends the session after the number last: nothing else was sent.
func (w *Receive) finish(last packet.Seq) {
	w.cut(last)
	w.end, w.endLead, w.ending = &End{}, last, ending{}
}

// reset ends the session now: what is missing up to the number last, or what is known to
// have been sent, will not come (section 9.8).
func (w *Receive) reset(last packet.Seq, code uint8) {
	w.stop(passed)
	w.end, w.endLead, w.ending = &End{Reset: true, Code: code}, last, ending{}
}

// Abandon gives the source up: what is missing becomes a hole, and the
// session ends after what is here, as silent unless it had finished.
func (w *Receive) Abandon() {
	if w.ended {
		return
	}
	w.stop(gaveUp)
	if w.end == nil {
		w.end = &End{Silent: true}
	}
	w.endLead = w.lead
}

// stop makes every number that is waited for, or still without a slot, lost.
func (w *Receive) stop(st state) {
	for s := w.next; s.Before(w.edge); s = s.Add(1) {
		if i := w.index(s); w.slots[i].state.waiting() {
			w.leave(i)
			w.slots[i].state = st
		}
	}
	w.trail, w.leapAs = w.trail.Later(w.lead.Add(1)), st
}

// Finished reports whether the source has said which number was its last.
func (w *Receive) Finished() bool { return w.end != nil }

// NCF takes one number of an NCF, or of another receiver's NAK: someone asks
// for it already (section 6.3, suppression). In WAIT_DATA the wait for RDATA starts
// again: the source has just said that it will come. A number that was not known
// to be sent is looked after from now on.
func (w *Receive) NCF(now Instant, s packet.Seq) {
	n := s.From(w.next)
	if !w.joined || n < 0 || n >= w.limit || w.end != nil && s.After(w.endLead) {
		return
	}
	w.see(now, s)
	if !s.Before(w.edge) {
		return
	}
	i := w.index(s)
	if w.slots[i].state.waiting() {
		w.toWaitData(now, i)
	}
}

// Wants reports whether the payload of a number would be kept, so that the
// caller need not copy what is not.
func (w *Receive) Wants(s packet.Seq) bool {
	if !w.joined {
		return true
	}
	n := s.From(w.next)
	return n >= 0 && n < w.limit && (!s.Before(w.edge) || w.slots[w.index(s)].state != have)
}

// Ready reports whether Pull may have something: it is cheap, and right
// except for fragments and holes whose end is not known yet.
func (w *Receive) Ready() bool {
	if !w.joined || w.ended {
		return false
	}
	if w.next == w.edge {
		return w.end != nil || w.hole.Count() > 0 || w.trail.After(w.next)
	}
	return !w.slots[w.head].state.waiting()
}
