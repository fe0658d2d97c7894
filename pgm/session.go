package pgm

import (
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"time"

	"vipd/multicast"
	"vipd/pgm/packet"
	"vipd/pgm/window"
)

// session is one source as a receiver sees it.
type session struct {
	tsi    packet.TSI
	w      *window.Session
	from   netip.Addr     // who sent its first packet
	path   netip.Addr     // where NAKs go, as its SPMs say
	born   window.Instant // when its first packet came
	heard  window.Instant // when it was last heard
	spmrAt window.Instant // when to ask for an SPM; Never once one was heard
	over   bool           // its end was returned
	lost   uint64         // packets reported lost
	packed []byte         // rest of a packed APDU
	apdu   window.Item    // the APDU it is of

	packets int  // that came
	spms    int  // of them SPMs that were of use
	longest int  // octets of the longest packet that came
	whole   bool // its window has its whole size

	hungry  window.Instant // since when no data comes though some is missing; Never: it comes
	stalled bool           // that was told
	probeAt window.Instant // when one number is asked for while stalled

	pulled  uint32        // lives pulled from the window
	waiting atomic.Int32  // deliveries pulled that the program has not had
	had     atomic.Uint64 // the place that the program has come to
	acked   atomic.Uint64 // the place up to which it has acknowledged

	tellTo netip.AddrPort // who wants to know how far we are
	life   uint64         // of the sender, as it said when it asked
	lifeOf int            // the window's life that this is
	told   window.Progress
	toldAt window.Instant
	left   bool // the sender has left us behind
}

// place is a number in one of the lives of a source, whose count is in the upper half.
type place uint64

func placeOf(life uint32, n packet.Seq) place { return place(life)<<32 | place(n) }

func (p place) life() uint32       { return uint32(p >> 32) }
func (p place) number() packet.Seq { return packet.Seq(p) }

// firstPackets is how many packets the window of a source may hold before more than a few
// packets have come from it: forged packets are not to fill the memory.
const firstPackets = 2048

// open begins a session at its first packet, nil when there are too many.
func (r *Receiver) open(now window.Instant, tsi packet.TSI, from netip.Addr) *session {
	if len(r.sessions) >= r.o.MaxSources && !r.makeRoom(now, tsi) {
		return nil
	}
	c := r.o.Window
	c.Seed = rand.Uint64()
	c.Packets = min(c.Packets, firstPackets)
	wait := time.Duration(1 + rand.Int64N(int64(r.o.SPMRWait)))
	s := &session{tsi: tsi, w: window.NewSession(c), pulled: 1, from: from, born: now, heard: now, spmrAt: now.Add(wait), hungry: window.Never}
	r.sessions[tsi] = s
	r.order = append(r.order, s)
	return s
}

// count notes that a packet came.
func (s *session) count(now window.Instant, octets int) {
	s.heard = now
	s.packets++
	s.longest = max(s.longest, octets)
}

// prove gives the window of a source that has sent SPMs and more than a few packets its
// whole size.
func (s *session) prove(o ReceiverOptions) {
	const enough = 32
	if !s.whole && s.spms > 0 && s.packets >= enough {
		s.whole = true
		s.w.Allow(o.Window.Packets)
	}
}

// makeRoom forgets one session for the sake of a new one: one that is over, else one of
// which only a packet or two ever came, else an older one of the same host that is silent,
// else one that has been silent for longer than a source ever is. So neither forged
// packets nor a program that crashes again and again keep a source out.
func (r *Receiver) makeRoom(now window.Instant, tsi packet.TSI) bool {
	victim, worst := -1, 0
	for i, s := range r.order {
		silent := now.Sub(s.heard)
		rank := 0
		switch {
		case s.over:
			rank = 5
		case s.packets < 3:
			rank = 4
		case s.tsi.GSI == tsi.GSI && silent >= 100*time.Millisecond:
			rank = 3
		case s.spms == 0 && silent >= time.Second:
			rank = 2
		case silent >= 3*time.Second:
			rank = 1
		}
		if rank > worst || rank > 0 && rank == worst && s.heard < r.order[victim].heard {
			victim, worst = i, rank
		}
	}
	if victim < 0 {
		return false
	}
	if s := r.order[victim]; !s.over && s.had.Load() != 0 {
		r.tellApplication(&EndError{Source: s.tsi, Expired: true})
	}
	r.stats.Evicted++
	r.forget(victim)
	return true
}

func (r *Receiver) forget(i int) {
	delete(r.sessions, r.order[i].tsi)
	r.order = append(r.order[:i], r.order[i+1:]...)
}

// pull takes up to most deliveries of the session.
func (s *session) pull(r *Receiver, most int) {
	for range most {
		if len(s.packed) > 0 {
			s.unpack(r)
			continue
		}
		item := s.w.Pull()
		switch item.Kind {
		case window.Nothing:
			return
		case window.Message:
			s.deliver(r, item)
		case window.Hole:
			s.lost += uint64(item.Loss.Count())
			r.stats.Lost += uint64(item.Loss.Count())
			r.stats.Holes++
			s.hand(r, item.Loss.First, item.Loss.Last.Add(1), delivery{event: &LossError{s.tsi, item.Loss}})
		case window.Finish:
			s.over = true
			s.hand(r, 0, 0, delivery{event: &EndError{Source: s.tsi, Reset: item.End.Reset, Code: item.End.Code, Expired: item.End.Silent}})
		case window.Restart:
			s.over = false
			s.lost = 0
			s.pulled++
			r.stats.Restarts++
			s.hand(r, 0, 0, delivery{event: &RestartError{s.tsi}})
		}
	}
	r.notifyReader() // there may be more
}

// hand gives the program what stands from first up to before end; events without numbers
// have 0 for both.
func (s *session) hand(r *Receiver, first, end packet.Seq, d delivery) {
	if first != end {
		if s.waiting.Load() == 0 {
			s.had.Store(uint64(placeOf(s.pulled, first)))
		}
		if place(s.acked.Load()).life() != s.pulled {
			s.acked.Store(uint64(placeOf(s.pulled, first)))
		}
		d.s, d.after = s, placeOf(s.pulled, end)
		d.m.session, d.m.place = s, d.after
		s.waiting.Add(1)
	}
	r.taken = append(r.taken, d)
}

// returned notes that the program has had the delivery.
func (d *delivery) returned() {
	if d.s != nil {
		d.s.had.Store(uint64(d.after))
		d.s.waiting.Add(-1)
	}
}

// deliver hands on one APDU.
func (s *session) deliver(r *Receiver, item window.Item) {
	if r.o.Pack {
		s.packed, s.apdu = item.Message, item
		if len(item.Message) == 0 {
			r.stats.NotPacked++
		}
		return
	}
	s.message(r, item.Message, item.First, item.Last.Add(1))
}

// unpack hands on the next message of a packed APDU.
func (s *session) unpack(r *Receiver) {
	m, rest, ok := unpack(s.packed)
	if !ok {
		r.stats.NotPacked++
		s.packed = nil
		return
	}
	s.packed = rest
	end := s.apdu.Last.Add(1)
	if len(rest) > 0 {
		end = s.apdu.First // only the last one is the end of the packet
	}
	s.message(r, m, s.apdu.First, end)
}

// message hands on one message.
func (s *session) message(r *Receiver, m []byte, first, end packet.Seq) {
	r.stats.Messages++
	r.stats.Octets += uint64(len(m))
	s.hand(r, first, end, delivery{m: Message{Data: m, Source: s.tsi, From: s.from, Number: first}})
}

// Ack acknowledges a message and all those of its source before it, for senders that
// know this receiver; ReceiverOptions.Ack must be set. A message that shares its packet
// with others is acknowledged with the last of them.
func (r *Receiver) Ack(m Message) {
	s := m.session
	if s == nil || !r.o.Ack {
		return
	}
	for {
		old := s.acked.Load()
		was := place(old)
		if was.life() > m.place.life() || was.life() == m.place.life() && !m.place.number().After(was.number()) {
			return
		}
		if s.acked.CompareAndSwap(old, uint64(m.place)) {
			break
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tellSoon(s, r.clock.now())
}

// ask queues a NAK for what is due in each session (section 6.3), and sees to
// it that the timer runs early enough for the rest.
func (r *Receiver) ask(now window.Instant) {
	deadline := window.Never
	for _, s := range r.order {
		s.prove(r.o)
		r.askSource(now, s)
		deadline = min(deadline, s.deadline())
	}
	r.armBy(deadline)
}

// armBy lets work look at the sessions at d or earlier; it needs mu.
func (r *Receiver) armBy(d window.Instant) {
	if d < r.armed {
		r.armed = d
		select {
		case r.rearm <- struct{}{}:
		default:
		}
	}
}

// deadline is when the session must be asked what is due.
func (s *session) deadline() window.Instant {
	if s.stalled {
		return s.probeAt
	}
	return s.w.Deadline()
}

// probeEvery is how often a source whose data does not come is asked for one number.
const probeEvery = 500 * time.Millisecond

// askSource asks one source for what is due.
func (r *Receiver) askSource(now window.Instant, s *session) {
	if s.stalled && now < s.probeAt {
		return
	}
	var due [1 + packet.MaxNAKList]packet.Seq
	for {
		list := s.w.Due(now, due[:0])
		more := len(list) == len(due)
		if s.stalled {
			list, more, s.probeAt = list[:min(len(list), 1)], false, now.Add(probeEvery)
		}
		if len(list) > 0 {
			r.queueNAK(s, list)
		}
		if !more {
			break
		}
	}
	if s.w.Question(now) {
		r.queueSPMR(s)
	}
}

// fed notes that data came.
func (s *session) fed(now window.Instant) {
	s.hungry, s.stalled = window.Never, false
}

// stallAfter is how long data may fail to come from a source that is heard.
const stallAfter = time.Second

// watchData tells the program when a source is heard but its data does not come.
func (r *Receiver) watchData(now window.Instant, s *session) {
	n := s.w.Live().Waiting()
	switch {
	case n == 0:
		s.hungry = window.Never
	case s.hungry == window.Never:
		s.hungry = now
	case !s.stalled && now.Sub(s.hungry) >= stallAfter && s.heard.Sub(s.hungry) >= stallAfter/2:
		s.stalled, s.probeAt = true, now.Add(probeEvery)
		r.stats.Stalls++
		r.tellApplication(&StallError{Source: s.tsi, Waiting: n, Longest: s.longest, MaxPacket: r.link.MaxPacket()})
	}
}

// queueNAK asks for up to 63 numbers (sections 8.3 and 9.3).
func (r *Receiver) queueNAK(s *session, list []packet.Seq) {
	p := packet.Packet{Type: packet.NAK, SourcePort: r.o.Port, DestPort: s.tsi.Port, GSI: s.tsi.GSI,
		Seq: list[0], Source: s.path, Group: r.link.Group()}
	if len(list) > 1 {
		p.Options.With(packet.OptNAKList).NAKList = list[1:]
	}
	r.stats.NAKs++
	r.stats.Asked += uint64(len(list))
	r.queueOut(p.Append(make([]byte, 0, 64+4*len(list))), netip.AddrPortFrom(s.path, 0))
}

// maxOutgoing is how many NAKs and SPMRs may wait to be written.
const maxOutgoing = 1024

func (r *Receiver) queueOut(b []byte, to netip.AddrPort) {
	if len(r.outgoing) < maxOutgoing {
		if r.o.Seal != nil {
			b = appendSealed(make([]byte, 0, len(b)+sealOverhead(r.o.Seal)), r.o.Seal, b)
		}
		r.outgoing = append(r.outgoing, multicast.Datagram{Addr: to, Data: b})
	}
}

// tellEvery is how often a sender that asked is told of slow progress.
const tellEvery = 10 * time.Millisecond

// tick does what each session's time makes due, beside NAKs.
func (r *Receiver) tick(now window.Instant) {
	for i := len(r.order) - 1; i >= 0; i-- {
		s := r.order[i]
		switch {
		case now >= s.spmrAt:
			s.spmrAt = window.Never
			r.queueSPMR(s)
		case now.Sub(s.heard) >= s.patience(r.o):
			r.expire(now, i)
			continue
		}
		r.watchData(now, s)
		if s.tellable() && now.Sub(s.toldAt) >= tellEvery && s.told != s.progress(r) {
			r.tell(s, now)
		}
	}
}

// queueSPMR asks for an SPM, the group and the source (section 13).
func (r *Receiver) queueSPMR(s *session) {
	p := packet.Packet{Type: packet.SPMR, SourcePort: r.o.Port, DestPort: s.tsi.Port, GSI: s.tsi.GSI}
	b := p.Append(make([]byte, 0, packet.HeaderLen))
	r.stats.SPMRs++
	r.queueOut(b, netip.AddrPort{})
	r.queueOut(b, netip.AddrPortFrom(s.from, 0))
}

// afterFIN is how long a source that has finished may be silent before what is
// missing is given up: as long as it repairs, it says so each second.
const afterFIN = 3 * time.Second

// patience is how long the session may be silent.
func (s *session) patience(o ReceiverOptions) time.Duration {
	if s.w.Live().Finished() && !s.over {
		return min(afterFIN, o.Expiry)
	}
	return o.Expiry
}

// expire gives a silent source up, and forgets it once its end was returned.
func (r *Receiver) expire(now window.Instant, i int) {
	s := r.order[i]
	if s.over || !s.w.Live().Joined() {
		r.forget(i)
		return
	}
	s.w.Abandon()
	s.heard = now
	r.wakeReader()
}

// maxEvents is how many warnings may wait for a slow application.
const maxEvents = 256

// tellApplication lets Next return an event before the next message; it needs mu.
func (r *Receiver) tellApplication(e Event) {
	if len(r.events) < maxEvents {
		r.events = append(r.events, e)
	} else {
		r.stats.EventsLost++
	}
	r.wakeReader()
}

// deadline is when work must look again.
func (r *Receiver) deadline(now window.Instant) window.Instant {
	d := now.Add(time.Second)
	for _, s := range r.order {
		d = min(d, s.deadline(), s.spmrAt, s.heard.Add(s.patience(r.o)))
		if s.hungry != window.Never && !s.stalled {
			d = min(d, max(s.hungry.Add(stallAfter), now.Add(stallAfter/10)))
		}
		if s.tellable() && s.told != s.progress(r) {
			d = min(d, max(s.toldAt.Add(tellEvery), now))
		}
	}
	return d
}
