package pgm

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"vipd/pgm/packet"
	"vipd/pgm/window"
)

// flush writes what waits: SPMs and NCFs first, then repairs, then new data.
func (s *Sender) flush() error { return s.write(func() bool { return false }) }

// write is flush that stops early, after a round with which it was enough; the
// rest is then the sender's own goroutine's. One goroutine writes at a time.
// Another that comes meanwhile goes away at once, for the writer looks again
// before it stops: nobody who hears NAKs or has a deadline waits for the link.
func (s *Sender) write(enough func() bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writing {
		return nil
	}
	s.writing = true
	defer s.rest()
	for {
		s.load(s.clock.now())
		if len(s.out.batch) == 0 {
			return nil
		}
		s.mu.Unlock()
		err := s.out.send()
		s.mu.Lock()
		if err != nil {
			s.fail(err)
			return err
		}
		if len(s.control) == 0 && enough() {
			if s.waits() {
				s.wakeWriter()
				s.wakeSenders() // one of them may have to write now
			}
			return nil
		}
	}
}

// rest ends writing; it needs mu.
func (s *Sender) rest() {
	s.writing, s.idleAt = false, s.clock.now()
	s.rested.Broadcast()
}

// writeTo writes until the packets before end are written.
func (s *Sender) writeTo(end packet.Seq) error {
	return s.write(func() bool { return !s.unsent.Before(end) })
}

// writeRound writes once.
func (s *Sender) writeRound() error { return s.write(func() bool { return true }) }

// drain writes until nothing waits, whoever does it.
func (s *Sender) drain() error {
	for {
		if err := s.flush(); err != nil {
			return err
		}
		s.mu.Lock()
		for s.writing {
			s.rested.Wait()
		}
		done := !s.waits() || s.failed != nil
		err := s.failed
		s.mu.Unlock()
		if done {
			return err
		}
	}
}

// waits reports whether there is something to write; it needs mu.
func (s *Sender) waits() bool {
	return len(s.control) > 0 || s.w.Repairs() > 0 || s.unsent != s.w.Next() || len(s.packed) > 0
}

// fail notes an error that ends the session, unless Close caused it; it needs mu.
func (s *Sender) fail(err error) {
	if s.failed == nil && !(s.closed && errors.Is(err, net.ErrClosed)) {
		s.failed = err
	}
	s.wakeSenders()
}

// load moves what waits into the outbox, as far as it has room.
func (s *Sender) load(now window.Instant) {
	s.closePack(now)
	n := 0
	for n < len(s.control) && s.out.room(len(s.control[n])) {
		s.out.add(s.control[n], netip.AddrPort{})
		s.bucket.Spend(len(s.control[n]) + sealOverhead(s.o.Seal)) // TXW_MAX_RTE is of all that a source sends (section 5.1.2)
		s.out.closed = true                                        // each in a datagram of its own: they are not to be lost together
		n++
	}
	s.control = append(s.control[:0], s.control[n:]...)
	data := s.loadRepairs(now)
	for s.unsent != s.w.Next() {
		p := s.w.Packet(s.unsent)
		if p != nil && !s.out.room(len(p)) {
			break
		}
		if p != nil {
			s.out.add(p, netip.AddrPort{})
		}
		s.unsent = s.unsent.Add(1)
		data = true
	}
	if data {
		s.spm.Data(now)
		s.wakeSenders()
		if s.spm.Deadline() < s.armed {
			s.wakeWriter() // its timer would ring too late
		}
	}
	s.stats.Refused = s.out.lost
}

// loadRepairs moves repairs into the outbox: all of them before new data, so
// that the trail has no reason to pass one (section 5.3).
func (s *Sender) loadRepairs(now window.Instant) (any bool) {
	for s.out.room(s.maxPacket()) {
		p := s.w.Repair(now)
		if p == nil {
			break
		}
		s.out.add(p, netip.AddrPort{})
		s.bucket.Spend(len(p) + sealOverhead(s.o.Seal))
		s.stats.Repairs++
		any = true
	}
	return any
}

// work is the sender's own goroutine: it writes what callers left, and what
// time makes due.
func (s *Sender) work() {
	t := time.NewTimer(0)
	defer t.Stop()
	for {
		select {
		case <-s.done:
			return
		case <-s.kick:
			s.standBack()
		case <-t.C:
			s.tick()
		}
		if s.writeRound() != nil {
			return
		}
		t.Reset(s.nextTick())
	}
}

// tick does what time makes due.
func (s *Sender) tick() {
	now := s.clock.now()
	s.mu.Lock()
	if s.spm.Due(now) && !s.rst {
		s.queueSPM()
	}
	s.w.Advance(now, s.flow.Hold(s.w.Next()))
	left := s.flow.LeaveBehind(now, s.w.Next())
	if len(left) > 0 {
		s.wakeSenders()
	}
	unheard := s.unheardNotice(now)
	s.mu.Unlock()
	for _, i := range left {
		s.leaveBehind(i)
	}
	if unheard.Size > 0 {
		s.notify(unheard)
	}
	s.pollDue(now, pollEvery)
}

// unheardNotice tells, once a second at most, of packets that do not arrive however often
// they are repaired; its Size is 0 without any. It needs mu.
func (s *Sender) unheardNotice(now window.Instant) (n Notice) {
	count, number, octets := s.w.Unheard()
	if count == s.unheard || s.unheardAt != 0 && now.Sub(s.unheardAt) < time.Second {
		return n
	}
	s.stats.Unheard += uint64(count - s.unheard)
	s.unheard, s.unheardAt = count, now
	return Notice{Kind: Unheard, At: number, Size: octets}
}

// nextTick is how long until tick has to look again.
func (s *Sender) nextTick() time.Duration {
	s.mu.Lock()
	d := min(s.spm.Deadline(), s.flow.Deadline())
	if s.o.Keep > 0 {
		d = min(d, s.clock.now().Add(max(s.o.Keep/16, time.Millisecond)))
	}
	s.armed = d
	knows := s.knows()
	s.mu.Unlock()
	wait := min(s.clock.until(d), time.Second)
	if knows {
		wait = min(wait, pollEvery)
	}
	return max(wait, 100*time.Microsecond)
}

// Abort ends the session at once: receivers are told that nothing more comes,
// not even repairs (OPT_RST, section 9.8), with a reason of 6 bits.
func (s *Sender) Abort(code uint8) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return net.ErrClosed
	}
	s.closed = true
	s.mu.Unlock()
	s.drain() //nolint:errcheck // the next one fails alike
	s.mu.Lock()
	s.rst, s.code = true, code
	for range 3 {
		s.queueSPM()
	}
	s.wakeSenders()
	s.mu.Unlock()
	err := s.drain()
	s.shut()
	return err
}

// Close ends the session: everything is written, receivers are told that it was the last
// (OPT_FIN, section 9.7), and repairs go on until all known receivers have acknowledged
// everything, or without known receivers for Linger. It waits as long as ctx allows, at
// most Linger where ctx has no deadline. The error is an *UnacknowledgedError that names
// the known receivers that lack something, or the link's. Closing again waits for the same.
func (s *Sender) Close(ctx context.Context) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		<-s.gone
		return s.result
	}
	s.closed = true
	s.wakeSenders()
	s.mu.Unlock()
	err := s.drain()
	s.mu.Lock()
	s.fin = true
	for range 3 {
		s.queueSPM()
	}
	s.spm.Data(s.clock.now()) // so the heartbeats start again, with the FIN
	s.mu.Unlock()
	s.wakeWriter()
	if flushed := s.drain(); err == nil {
		err = flushed
	}
	if err == nil {
		err = s.linger(ctx)
	}
	s.result = err
	s.shut()
	return err
}

// linger goes on repairing for a while.
func (s *Sender) linger(ctx context.Context) error {
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, s.o.Linger, errLingered)
		defer cancel()
	}
	s.mu.Lock()
	knows, end := s.knows(), s.w.Next()
	s.mu.Unlock()
	if knows {
		return s.awaitAcks(ctx, end, false)
	}
	t := time.NewTimer(s.o.Linger)
	defer t.Stop()
	for {
		s.mu.Lock()
		err, wake := s.failed, s.wake
		s.waiters++
		s.mu.Unlock()
		over := err != nil
		if !over {
			select {
			case <-t.C:
				over = true
			case <-ctx.Done():
				over = true
			case <-wake:
			}
		}
		s.mu.Lock()
		s.waiters--
		s.mu.Unlock()
		if over {
			return err
		}
	}
}

// errLingered is why Close waits no longer where its context does not say.
var errLingered = errors.New("SenderOptions.Linger is over")

// shut closes the link and waits for the goroutines to end.
func (s *Sender) shut() {
	s.mu.Lock()
	s.closed = true
	close(s.done)
	conn := s.known.conn
	s.mu.Unlock()
	s.link.Close()
	if conn != nil {
		conn.Close()
	}
	s.tasks.Wait()
	close(s.gone)
}
