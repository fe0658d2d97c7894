package pgm

import (
	"fmt"
	"net"
	"net/netip"

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
//	0      4         5      6       8     16   20   24     32
//	+------+---------+------+-------+-----+----+----+------+
//	| PGMF | version | kind | flags | TSI | a  | b  | lost |
//	+------+---------+------+-------+-----+----+----+------+
//
// A poll asks for a report; with flagLeft it says that the receiver is left
// behind since number a. A report says that the application has had everything
// before a, that there is room before b, and how many packets were lost.
type flowMessage struct {
	kind byte
	left bool
	tsi  packet.TSI
	a, b packet.Seq
	lost uint64
}

const (
	flowMagic   = "PGMF"
	flowVersion = 1
	flowLen     = 32
	kindPoll    = 1
	kindReport  = 2
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
	b = be.AppendUint32(b, uint32(m.a))
	b = be.AppendUint32(b, uint32(m.b))
	return be.AppendUint64(b, m.lost)
}

// parseFlow reads a message; ok is false for anything else.
func parseFlow(b []byte) (m flowMessage, ok bool) {
	if len(b) != flowLen || string(b[:4]) != flowMagic || b[4] != flowVersion {
		return m, false
	}
	m = flowMessage{kind: b[5], left: b[6]&flagLeft != 0, a: packet.Seq(be.Uint32(b[16:])), b: packet.Seq(be.Uint32(b[20:])), lost: be.Uint64(b[24:])}
	m.tsi = packet.TSI{GSI: packet.GSI(b[8:14]), Port: be.Uint16(b[14:])}
	return m, m.kind == kindPoll || m.kind == kindReport
}

// tell queues a report about a session for whoever polled for it; it needs mu.
func (r *Receiver) tell(s *session, now window.Instant) {
	if !s.tellTo.IsValid() || !s.w.Joined() {
		return
	}
	s.told, s.toldAt = s.progress(r.queue), now
	m := flowMessage{kind: kindReport, tsi: s.tsi, a: s.told.Next, b: s.told.Edge, lost: s.told.Lost}
	r.reports = append(r.reports, report{m.append(make([]byte, 0, flowLen)), s.tellTo})
}

// tellAdvance queues a report when the session has moved far enough for the
// sender to care.
func (r *Receiver) tellAdvance(s *session, now window.Instant) {
	if !s.tellTo.IsValid() {
		return
	}
	p := s.progress(r.queue)
	if p.Edge.From(s.told.Edge) >= r.queue/4 || p.Next.From(s.told.Next) >= r.o.Window.Packets/8 {
		r.tell(s, now)
	}
}

// progress is how far the session is. There is room for what the window can
// take, but no more at once than waits in the socket's queue.
func (s *session) progress(queue int) window.Progress {
	edge := s.w.Room()
	if q := s.w.Lead().Add(1 + queue); q.Before(edge) {
		edge = q
	}
	return window.Progress{Next: s.w.Next(), Edge: edge, Lost: s.lost}
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
			if isClosed(r.done) {
				return
			}
			continue // an ICMP error about an earlier report
		}
		if m, ok := parseFlow(b[:n]); ok && m.kind == kindPoll {
			r.mu.Lock()
			if s := r.sessions[m.tsi]; s != nil {
				r.hearPoll(s, m, from)
			}
			r.mu.Unlock()
			r.writeOut()
		}
	}
}

// hearPoll takes one poll about a session.
func (r *Receiver) hearPoll(s *session, m flowMessage, from netip.AddrPort) {
	s.tellTo = from
	if m.left && !s.left {
		r.tellApplication(&BehindError{s.tsi, m.a})
	}
	s.left = m.left
	r.tell(s, r.clock.now())
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
