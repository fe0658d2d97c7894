package pgm

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"vipd/multicast"
	"vipd/pgm/packet"
	"vipd/pgm/window"
)

// session is one source as a receiver sees it.
type session struct {
	tsi    packet.TSI
	w      *window.Receive
	from   netip.Addr     // who sent its first packet
	path   netip.Addr     // where NAKs go, as its SPMs say
	heard  window.Instant // when it was last heard
	spmrAt window.Instant // when to ask for an SPM; Never once one was heard
	over   bool           // its end was returned
	lost   uint64         // packets reported lost
	packed []byte         // rest of a packed APDU

	tellTo netip.AddrPort // who wants to know how far we are
	told   window.Progress
	toldAt window.Instant
	left   bool // the sender has left us behind
}

// open begins a session at its first packet, nil when there are too many.
func (r *Receiver) open(now window.Instant, tsi packet.TSI, from netip.Addr) *session {
	if len(r.sessions) >= r.o.MaxSources && !r.forgetOver() {
		return nil
	}
	c := r.o.Window
	c.Seed = rand.Uint64()
	wait := time.Duration(1 + rand.Int64N(int64(r.o.SPMRWait)))
	s := &session{tsi: tsi, w: window.NewReceive(c), from: from, heard: now, spmrAt: now.Add(wait)}
	r.sessions[tsi] = s
	r.order = append(r.order, s)
	return s
}

// forgetOver makes room by forgetting a session that is over.
func (r *Receiver) forgetOver() bool {
	for i, s := range r.order {
		if s.over {
			r.forget(i)
			return true
		}
	}
	return false
}

func (r *Receiver) forget(i int) {
	delete(r.sessions, r.order[i].tsi)
	r.order = append(r.order[:i], r.order[i+1:]...)
}

// pull takes up to most deliveries of the session. It reports whether the
// window moved.
func (s *session) pull(r *Receiver, most int) (moved bool) {
	for range most {
		if len(s.packed) > 0 {
			s.unpack(r)
			continue
		}
		item := s.w.Pull()
		switch item.Kind {
		case window.Nothing:
			return moved
		case window.Message:
			s.deliver(r, item.Message)
		case window.Hole:
			s.lost += uint64(item.Loss.Count())
			r.stats.Lost += uint64(item.Loss.Count())
			r.stats.Holes++
			r.taken = append(r.taken, delivery{err: &LossError{s.tsi, item.Loss}})
		case window.Finish:
			s.over = true
			r.taken = append(r.taken, delivery{err: &EndError{Source: s.tsi, Reset: item.End.Reset, Code: item.End.Code, Expired: item.End.Silent}})
		}
		moved = true
	}
	r.notifyReader() // there may be more
	return moved
}

// deliver hands on one APDU.
func (s *session) deliver(r *Receiver, apdu []byte) {
	if r.o.Pack {
		s.packed = apdu
		if len(apdu) == 0 {
			r.stats.NotPacked++
		}
		return
	}
	r.stats.Messages++
	r.stats.Octets += uint64(len(apdu))
	r.taken = append(r.taken, delivery{m: Message{Data: apdu, Source: s.tsi, From: s.from}})
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
	r.stats.Messages++
	r.stats.Octets += uint64(len(m))
	r.taken = append(r.taken, delivery{m: Message{Data: m, Source: s.tsi, From: s.from}})
}

// ask queues a NAK for what is due in each session (section 6.3), and sees to
// it that the timer runs early enough for the rest.
func (r *Receiver) ask(now window.Instant) {
	var due [1 + packet.MaxNAKList]packet.Seq
	deadline := window.Never
	for _, s := range r.order {
		for {
			list := s.w.Due(now, due[:0])
			if len(list) > 0 {
				r.queueNAK(s, list)
			}
			if len(list) < len(due) {
				break
			}
		}
		deadline = min(deadline, s.w.Deadline())
	}
	if deadline < r.armed {
		r.armed = deadline
		select {
		case r.rearm <- struct{}{}:
		default:
		}
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
			r.queueSPMR(s)
		case now.Sub(s.heard) >= s.patience(r.o):
			r.expire(now, i)
			continue
		}
		if s.tellTo.IsValid() && now.Sub(s.toldAt) >= tellEvery && s.told != s.progress(r.queue) {
			r.tell(s, now)
		}
	}
}

// queueSPMR asks for an SPM, the group and the source (section 13), once.
func (r *Receiver) queueSPMR(s *session) {
	s.spmrAt = window.Never
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
	if s.w.Finished() && !s.over {
		return min(afterFIN, o.Expiry)
	}
	return o.Expiry
}

// expire gives a silent source up, and forgets it once its end was returned.
func (r *Receiver) expire(now window.Instant, i int) {
	s := r.order[i]
	if s.over || !s.w.Joined() {
		r.forget(i)
		return
	}
	s.w.Abandon()
	s.heard = now
	r.wakeReader()
}

// maxEvents is how many warnings may wait for a slow application.
const maxEvents = 256

// tellApplication lets Receive return err before the next message; it needs mu.
func (r *Receiver) tellApplication(err error) {
	if len(r.events) < maxEvents {
		r.events = append(r.events, err)
	}
	r.wakeReader()
}

// deadline is when work must look again.
func (r *Receiver) deadline(now window.Instant) window.Instant {
	d := now.Add(time.Second)
	for _, s := range r.order {
		d = min(d, s.w.Deadline(), s.spmrAt, s.heard.Add(s.patience(r.o)))
		if s.tellTo.IsValid() && s.told != s.progress(r.queue) {
			d = min(d, max(s.toldAt.Add(tellEvery), now))
		}
	}
	return d
}
