package pgm

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"vipd/pgm/packet"
	"vipd/pgm/window"
)

// FlowConn carries flow control between a sender and the receivers it knows,
// by unicast and beside the group. It may lose, repeat and reorder.
type FlowConn interface {
	Read(b []byte) (n int, from netip.AddrPort, err error) // net.ErrClosed after Close
	Write(b []byte, to netip.AddrPort) error
	Close() error
}

// udpFlow is a FlowConn on a UDP socket.
type udpFlow struct{ *net.UDPConn }

// listenFlow opens a UDP socket for flow control.
func listenFlow(a netip.AddrPort) (FlowConn, error) {
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(a))
	if err != nil {
		return nil, fmt.Errorf("open flow control on %s: %w", a, err)
	}
	return udpFlow{c}, nil
}

func (f udpFlow) Read(b []byte) (int, netip.AddrPort, error) {
	n, from, err := f.ReadFromUDPAddrPort(b)
	return n, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), err
}

func (f udpFlow) Write(b []byte, to netip.AddrPort) error {
	_, err := f.WriteToUDPAddrPort(b, to)
	return err
}

// flowMessage is what a sender and a receiver that know each other say:
//
//	0      4         5      6       8     16     24         32  36  40     48        52     56
//	+------+---------+------+-------+-----+------+----------+---+---+------+---------+------+
//	| PGMF | version | kind | flags | TSI | life | receiver | a | b | lost | unacked | zero |
//	+------+---------+------+-------+-----+------+----------+---+---+------+---------+------+
//
// A poll asks for a report; with flagLeft it says that the receiver is left behind since
// number a; b is the number sent last. A report says that the application has had
// everything before a, of which it has not acknowledged the last unacked numbers, that there
// is room before b, and how many packets were lost. A goodbye is the last report; it is
// repeated until it is confirmed. Life and receiver are random numbers of the session and
// of the receiver: whatever another life, or another receiver at the address, had said does
// not count.
type flowMessage struct {
	kind     byte
	left     bool
	tsi      packet.TSI
	life     uint64
	receiver uint64
	a, b     packet.Seq
	lost     uint64
	unacked  uint32
}

const (
	flowMagic   = "PGMF"
	flowVersion = 2
	flowLen     = 56
	kindPoll    = 1
	kindReport  = 2
	kindGoodbye = 3
	kindHeard   = 4 // confirms a goodbye
	flagLeft    = 0x80
)

func (m flowMessage) append(b []byte) []byte {
	b = append(b, flowMagic...)
	var flags byte
	if m.left {
		flags = flagLeft
	}
	b = append(b, flowVersion, m.kind, flags, 0)
	b = append(b, m.tsi.GSI[:]...)
	b = be.AppendUint16(b, m.tsi.Port)
	b = be.AppendUint64(b, m.life)
	b = be.AppendUint64(b, m.receiver)
	b = be.AppendUint32(b, uint32(m.a))
	b = be.AppendUint32(b, uint32(m.b))
	b = be.AppendUint64(b, m.lost)
	b = be.AppendUint32(b, m.unacked)
	return be.AppendUint32(b, 0)
}

// parseFlow reads a message; ok is false for anything else.
func parseFlow(b []byte) (m flowMessage, ok bool) {
	if len(b) != flowLen || string(b[:4]) != flowMagic || b[4] != flowVersion {
		return m, false
	}
	m = flowMessage{kind: b[5], left: b[6]&flagLeft != 0, life: be.Uint64(b[16:]), receiver: be.Uint64(b[24:]),
		a: packet.Seq(be.Uint32(b[32:])), b: packet.Seq(be.Uint32(b[36:])), lost: be.Uint64(b[40:]), unacked: be.Uint32(b[48:])}
	m.tsi = packet.TSI{GSI: packet.GSI(b[8:14]), Port: be.Uint16(b[14:])}
	return m, m.kind >= kindPoll && m.kind <= kindHeard
}

// tell queues a report about a session for the sender that polled for it; it needs mu.
func (r *Receiver) tell(s *session, now window.Instant) {
	if !s.tellable() || r.leaving {
		return
	}
	s.told, s.toldAt = s.progress(r), now
	r.queueReport(s, kindReport)
}

// tellable reports whether a sender wants to know, and which of the source's lives it is
// that it asks about.
func (s *session) tellable() bool {
	return s.tellTo.IsValid() && s.w.Live().Joined() && !s.w.Doubts() && s.lifeOf == s.w.Lives()
}

func (r *Receiver) queueReport(s *session, kind byte) {
	m := flowMessage{kind: kind, tsi: s.tsi, life: s.life, receiver: r.id, a: s.told.Next, b: s.told.Edge, lost: s.told.Lost, unacked: uint32(s.told.Unacked)}
	r.reports = append(r.reports, report{m.append(make([]byte, 0, flowLen)), s.tellTo})
}

// tellAdvance queues a report when the session has moved far enough for the
// sender to care.
func (r *Receiver) tellAdvance(s *session, now window.Instant) {
	if !s.tellable() {
		return
	}
	p := s.progress(r)
	if p.Edge.From(s.told.Edge) >= r.queue/4 || p.Acked().From(s.told.Acked()) >= r.o.Window.Packets/8 {
		r.tell(s, now)
	}
}

// tellSoon lets a sender that asked be told of slow progress; it needs mu.
func (r *Receiver) tellSoon(s *session, now window.Instant) {
	if s.tellable() && s.told != s.progress(r) {
		r.armBy(max(s.toldAt.Add(tellEvery), now))
	}
}

// progress is how far the session is: what the program has had, and, where it
// acknowledges, what it has acknowledged. There is room for what the window can take, but
// no more at once than waits in the socket's queue.
func (s *session) progress(r *Receiver) window.Progress {
	w := s.w.Live()
	p := window.Progress{Next: w.Next(), Edge: w.Room(), Lost: s.lost}
	if q := w.Lead().Add(1 + r.queue); q.Before(p.Edge) {
		p.Edge = q
	}
	life := uint32(s.w.Lives())
	if s.pulled != life {
		p.Next, p.Lost = w.First(), 0 // the life before is still being handed on
		return p
	}
	if had := place(s.had.Load()); s.waiting.Load() > 0 || len(s.packed) > 0 {
		p.Next = had.number()
		if had.life() != life {
			p.Next = w.First()
		}
	}
	if acked := place(s.acked.Load()); r.o.Ack {
		from := w.First()
		if s.acked.Load() != 0 && acked.life() == life {
			from = acked.number()
		}
		p.Unacked = max(p.Next.From(from), 0)
	}
	return p
}

// report is a flow control message to be written.
type report struct {
	b  []byte
	to netip.AddrPort
}

// hearPolls answers senders that know this receiver, until the flow closes.
func (r *Receiver) hearPolls() {
	b := make([]byte, 128)
	for {
		n, from, err := r.flow.Read(b)
		if err != nil {
			if isClosed(r.done) || errors.Is(err, net.ErrClosed) {
				return
			}
			continue // an ICMP error about an earlier report
		}
		m, ok := parseFlow(b[:n])
		if !ok {
			continue
		}
		r.mu.Lock()
		switch {
		case m.kind == kindPoll:
			r.hearPoll(m, from)
		case m.kind == kindHeard && m.receiver == r.id:
			if delete(r.goodbyes, m.tsi); len(r.goodbyes) == 0 && r.leaving {
				r.once2.Do(func() { close(r.gone) })
			}
		}
		r.mu.Unlock()
		r.writeOut()
	}
}

// hearPoll takes one poll; it needs mu.
func (r *Receiver) hearPoll(m flowMessage, from netip.AddrPort) {
	if r.pollers[m.tsi].life != m.life && len(r.pollers) < 4*r.o.MaxSources {
		r.pollers[m.tsi] = poller{from, m.life}
	}
	s := r.sessions[m.tsi]
	if s == nil {
		return
	}
	if s.life != m.life || s.lifeOf != s.w.Lives() {
		if w := s.w.Live(); !w.Joined() || s.w.Doubts() || !w.Near(m.b) {
			return // it is of another life, perhaps
		}
		s.life, s.lifeOf, s.left = m.life, s.w.Lives(), false
	}
	s.tellTo = from
	if m.left && !s.left {
		r.tellApplication(&BehindError{s.tsi, m.a})
	}
	s.left = m.left
	r.tell(s, r.clock.now())
}

// poller is a sender that knows this receiver.
type poller struct {
	at   netip.AddrPort
	life uint64
}

// sayGoodbye tells the senders that know this receiver how far the program came, and that
// it is not to be waited for. It waits for them to confirm it, but not for long; nor for the
// first poll of a source that was heard: such a sender may know this receiver too, and then
// waits for what the program has had.
func (r *Receiver) sayGoodbye() {
	const tries, wait = 10, 20 * time.Millisecond
	r.mu.Lock()
	r.leaving = true
	r.goodbyes = map[packet.TSI]bool{}
	for tsi := range r.pollers {
		r.goodbyes[tsi] = true
	}
	for tsi, s := range r.sessions {
		if s.w.Live().Joined() {
			r.goodbyes[tsi] = true
		}
	}
	none := r.flow == nil || len(r.goodbyes) == 0
	r.mu.Unlock()
	if none {
		return
	}
	t := time.NewTicker(wait)
	defer t.Stop()
	for range tries {
		r.mu.Lock()
		for tsi := range r.goodbyes {
			r.queueGoodbye(tsi)
		}
		r.mu.Unlock()
		r.writeOut()
		select {
		case <-r.gone:
			return
		case <-t.C:
		}
	}
}

// queueGoodbye queues the last report about one session, once its sender has polled.
func (r *Receiver) queueGoodbye(tsi packet.TSI) {
	p, polled := r.pollers[tsi]
	if !polled {
		return
	}
	m := flowMessage{kind: kindGoodbye, tsi: tsi, life: p.life, receiver: r.id}
	if s := r.sessions[tsi]; s != nil && s.tellable() && s.life == p.life {
		at := s.progress(r)
		m.a, m.b, m.lost, m.unacked = at.Next, at.Edge, at.Lost, uint32(at.Unacked)
	}
	r.reports = append(r.reports, report{m.append(make([]byte, 0, flowLen)), p.at})
}

// isClosed reports whether a channel was closed.
func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
