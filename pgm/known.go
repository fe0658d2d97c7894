package pgm

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"vipd/pgm/packet"
	"vipd/pgm/window"
)

// knownReceivers is a sender's side of flow control: the receivers to ask, and how long ago
// they were asked. Sender.mu guards it.
type knownReceivers struct {
	conn      FlowConn
	receivers []knownReceiver // by their index in window.Flow
	index     map[netip.AddrPort]int
	polled    window.Instant
}

// knownReceiver is one of them.
type knownReceiver struct {
	at      netip.AddrPort
	heard   bool   // it has reported
	id      uint64 // of the receiver that reported last
	goodbye uint64 // id of one that has said goodbye
	removed bool   // by RemoveReceiver
}

// pollEvery is how often a sender that is not held up asks for progress.
const pollEvery = 50 * time.Millisecond

// blockedPoll is how often one that is held up does.
const blockedPoll = 2 * time.Millisecond

// openFlow opens flow control; it needs mu.
func (s *Sender) openFlow() error {
	if s.known.conn != nil {
		return nil
	}
	c := s.o.Flow
	if c == nil {
		var err error
		if c, err = listenFlow(netip.AddrPortFrom(s.link.Local(), 0)); err != nil {
			return err
		}
	}
	s.known.conn = sealFlow(c, s.o.Seal)
	s.tasks.Go(s.hearProgress)
	return nil
}

// AddReceiver makes the sender wait for one more receiver, from the oldest packet it still
// has on. A receiver that was removed, or has said goodbye, may be added again. Without a
// SenderOptions.Flow the first one opens a socket, in the network namespace of the caller.
func (s *Sender) AddReceiver(a netip.AddrPort) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !a.IsValid() {
		return fmt.Errorf("add receiver: no address")
	}
	if err := s.broken(); err != nil {
		return err
	}
	if err := s.openFlow(); err != nil {
		return err
	}
	k := &s.known
	i, named := k.index[a]
	switch {
	case !named:
		k.index[a] = s.flow.Add(s.w.Trail())
		k.receivers = append(k.receivers, knownReceiver{at: a})
	case s.flow.Gone(i):
		s.flow.Reset(i, s.w.Trail())
		k.receivers[i] = knownReceiver{at: a}
	default:
		return fmt.Errorf("add receiver %s: it is known already", a)
	}
	k.polled = 0
	s.wakeWriter()
	return nil
}

// RemoveReceiver lets the sender wait for a receiver no longer.
func (s *Sender) RemoveReceiver(a netip.AddrPort) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, named := s.known.index[a]
	if !named || s.known.receivers[i].removed {
		return fmt.Errorf("remove receiver %s: it is not known", a)
	}
	s.known.receivers[i].removed = true
	s.flow.Remove(i)
	s.wakeSenders()
	return nil
}

// knows reports whether there is any receiver to wait for; it needs mu.
func (s *Sender) knows() bool { return len(s.known.receivers) > 0 }

// poll asks every known receiver how far it is. A receiver that is not there
// answers nothing; so errors of the network mean nothing either.
func (s *Sender) poll() {
	type question struct {
		m  flowMessage
		to netip.AddrPort
	}
	s.mu.Lock()
	var ask []question
	for i, r := range s.known.receivers {
		if r.removed {
			continue
		}
		p, left := s.flow.Progress(i)
		ask = append(ask, question{flowMessage{kind: kindPoll, left: left, tsi: s.tsi, life: s.life, a: p.Next, b: s.w.Lead()}, r.at})
	}
	conn := s.known.conn
	s.mu.Unlock()
	var b [flowLen]byte
	for _, q := range ask {
		conn.Write(q.m.append(b[:0]), q.to) //nolint:errcheck // see above
	}
}

// pollDue asks when it is time to.
func (s *Sender) pollDue(now window.Instant, every time.Duration) {
	s.mu.Lock()
	due := s.knows() && now.Sub(s.known.polled) >= every
	if due {
		s.known.polled = now
	}
	s.mu.Unlock()
	if due {
		s.poll()
	}
}

// hearProgress takes the reports of known receivers, until the flow closes.
func (s *Sender) hearProgress() {
	b := make([]byte, 128)
	conn := s.known.conn
	for {
		n, from, err := conn.Read(b)
		if err != nil {
			if isClosed(s.done) {
				return
			}
			continue // an ICMP error about an earlier poll
		}
		m, ok := parseFlow(b[:n])
		if !ok || m.tsi != s.tsi || m.life != s.life {
			continue
		}
		s.mu.Lock()
		i, named := s.known.index[from]
		s.mu.Unlock()
		switch {
		case named && m.kind == kindReport:
			s.takeReport(i, m)
		case named && m.kind == kindGoodbye:
			s.takeGoodbye(i, m)
			m.kind = kindHeard
			conn.Write(m.append(b[:0]), from) //nolint:errcheck // it will be said again
		}
	}
}

// takeReport lets the sender go on as far as receiver i has room.
func (s *Sender) takeReport(i int, m flowMessage) {
	s.mu.Lock()
	r := &s.known.receivers[i]
	if r.removed || m.receiver == r.goodbye && r.goodbye != 0 {
		s.mu.Unlock()
		return
	}
	joined := r.heard && m.receiver != r.id || s.flow.Gone(i)
	if joined {
		s.flow.Reset(i, s.w.Trail())
		r.goodbye = 0
	}
	r.heard, r.id = true, m.receiver
	before, _ := s.flow.Progress(i)
	p := window.Progress{Next: m.a, Edge: m.b, Unacked: int(m.unacked), Lost: max(m.lost, before.Lost)}
	caughtUp := s.flow.Report(i, p, s.w.Trail(), s.w.Next())
	now, _ := s.flow.Progress(i)
	n := Notice{Receiver: r.at, At: now.Next, Lost: now.Lost}
	s.wakeSenders()
	s.mu.Unlock()
	if joined {
		n.Kind = Joined
		s.notify(n)
	}
	if now.Lost > before.Lost {
		n.Kind = ReportedLoss
		s.notify(n)
	}
	if caughtUp {
		n.Kind = CaughtUp
		s.notify(n)
	}
}

// takeGoodbye waits for receiver i no longer.
func (s *Sender) takeGoodbye(i int, m flowMessage) {
	s.mu.Lock()
	r := &s.known.receivers[i]
	known := !s.flow.Gone(i) && (!r.heard || m.receiver == r.id)
	if known {
		s.flow.Report(i, window.Progress{Next: m.a, Edge: m.b, Unacked: int(m.unacked), Lost: m.lost}, s.w.Trail(), s.w.Next())
		s.flow.Remove(i)
		r.goodbye = m.receiver
		s.wakeSenders()
	}
	p, _ := s.flow.Progress(i)
	n := Notice{Receiver: r.at, Kind: Departed, At: p.Next, Lost: p.Lost}
	s.mu.Unlock()
	if known {
		s.notify(n)
	}
}

// leaveBehind tells both sides that receiver i is waited for no longer.
func (s *Sender) leaveBehind(i int) {
	s.mu.Lock()
	p, _ := s.flow.Progress(i)
	n := Notice{Receiver: s.known.receivers[i].at, Kind: LeftBehind, At: p.Next, Lost: p.Lost}
	s.mu.Unlock()
	s.poll() // and so again with every poll
	s.notify(n)
}

func (s *Sender) notify(n Notice) {
	if s.o.Notify != nil {
		s.o.Notify(n)
	}
}

// Acked returns the oldest number that a known receiver has not acknowledged: everything
// before it is. It is false for a receiver that is not known, or was not heard yet.
func (s *Sender) Acked(receiver netip.AddrPort) (packet.Seq, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, named := s.known.index[receiver]
	if !named || !s.known.receivers[i].heard {
		return 0, false
	}
	p, _ := s.flow.Progress(i)
	return p.Acked(), true
}

// Flush waits until every known receiver has acknowledged what was sent before the call.
// The error is an *UnacknowledgedError when ctx ends first, or when one was left behind
// without it; net.ErrClosed, or the link's.
func (s *Sender) Flush(ctx context.Context) error {
	s.mu.Lock()
	s.closePack(s.clock.now())
	end := s.w.Next()
	s.mu.Unlock()
	if err := s.writeTo(end); err != nil {
		return err
	}
	return s.awaitAcks(ctx, end, true)
}

// awaitAcks waits until every known receiver has acknowledged the numbers before end.
func (s *Sender) awaitAcks(ctx context.Context, end packet.Seq, open bool) error {
	const look = 5 * time.Millisecond
	t := time.NewTicker(look)
	defer t.Stop()
	for ask := true; ; {
		s.mu.Lock()
		err := s.failed
		if err == nil && open {
			err = s.broken()
		}
		lacks, waits := s.lacks(end)
		wake := s.wake
		s.waiters++
		s.mu.Unlock()
		switch {
		case err != nil:
		case len(lacks) == 0:
		case !waits:
			err = &UnacknowledgedError{Receivers: lacks}
		case ctx.Err() != nil:
			err = &UnacknowledgedError{Receivers: lacks, Err: context.Cause(ctx)}
		default:
			if ask {
				s.poll()
			}
			ask = false
			select {
			case <-ctx.Done():
			case <-wake:
			case <-t.C:
				ask = true
			}
			s.mu.Lock()
			s.waiters--
			s.mu.Unlock()
			continue
		}
		s.mu.Lock()
		s.waiters--
		s.mu.Unlock()
		return err
	}
}

// lacks returns what the known receivers have not acknowledged before end, and whether any
// of them is waited for; it needs mu.
func (s *Sender) lacks(end packet.Seq) (lacks []Lack, waits bool) {
	for i, r := range s.known.receivers {
		p, left := s.flow.Progress(i)
		if n := end.From(p.Acked()); n > 0 && !s.flow.Gone(i) {
			lacks = append(lacks, Lack{Receiver: r.at, From: p.Acked(), Packets: n})
			waits = waits || !left
		}
	}
	return lacks, waits
}
