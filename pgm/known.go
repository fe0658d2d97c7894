package pgm

import (
	"fmt"
	"net/netip"
	"time"

	"vipd/pgm/window"
)

// knownReceivers is a sender's side of flow control: who to ask, how long ago.
type knownReceivers struct {
	conn   FlowConn
	index  map[netip.AddrPort]int
	heard  []bool // it has reported; guarded by Sender.mu
	polled window.Instant
}

// pollEvery is how often a sender that is not held up asks for progress.
const pollEvery = 50 * time.Millisecond

// openKnown opens flow control with the receivers in the options.
func (s *Sender) openKnown() (*knownReceivers, error) {
	k := &knownReceivers{conn: s.o.Flow, index: map[netip.AddrPort]int{}, heard: make([]bool, len(s.o.Receivers))}
	for i, a := range s.o.Receivers {
		if _, twice := k.index[a]; twice || !a.IsValid() {
			return nil, fmt.Errorf("receiver %s: named twice or without an address", a)
		}
		k.index[a] = i
	}
	if k.conn == nil {
		c, err := listenFlow(netip.AddrPortFrom(s.link.Local(), 0))
		if err != nil {
			return nil, err
		}
		k.conn = c
	}
	return k, nil
}

// poll asks every known receiver how far it is. A receiver that is not there
// answers nothing; so errors of the network mean nothing either.
func (k *knownReceivers) poll(s *Sender) {
	var b [flowLen]byte
	for i, a := range s.o.Receivers {
		s.mu.Lock()
		p, left := s.flow.Progress(i)
		m := flowMessage{kind: kindPoll, left: left, tsi: s.tsi, a: p.Next, b: s.w.Lead()}
		s.mu.Unlock()
		k.conn.Write(m.append(b[:0]), a) //nolint:errcheck // see above
	}
}

// pollDue asks when it is time to.
func (k *knownReceivers) pollDue(s *Sender, now window.Instant) {
	if now.Sub(k.polled) >= pollEvery {
		k.polled = now
		k.poll(s)
	}
}

// hearProgress takes the reports of known receivers, until the flow closes.
func (s *Sender) hearProgress() {
	b := make([]byte, 128)
	for {
		n, from, err := s.known.conn.Read(b)
		if err != nil {
			if isClosed(s.done) {
				return
			}
			continue // an ICMP error about an earlier poll
		}
		m, ok := parseFlow(b[:n])
		i, named := s.known.index[from]
		if ok && named && m.kind == kindReport && m.tsi == s.tsi {
			s.takeReport(i, m)
		}
	}
}

// takeReport lets the sender go on as far as receiver i has room.
func (s *Sender) takeReport(i int, m flowMessage) {
	s.mu.Lock()
	before, _ := s.flow.Progress(i)
	p := window.Progress{Next: m.a, Edge: m.b, Lost: max(m.lost, before.Lost)}
	caughtUp := s.flow.Report(i, p, s.w.Trail(), s.w.Next())
	now, _ := s.flow.Progress(i)
	s.known.heard[i] = true
	s.wakeSenders()
	s.mu.Unlock()
	n := Notice{Receiver: s.o.Receivers[i], At: now.Next, Lost: now.Lost}
	if now.Lost > before.Lost {
		n.Kind = ReportedLoss
		s.notify(n)
	}
	if caughtUp {
		n.Kind = CaughtUp
		s.notify(n)
	}
}

// leaveBehind tells both sides that receiver i is waited for no longer.
func (s *Sender) leaveBehind(i int) {
	s.mu.Lock()
	p, _ := s.flow.Progress(i)
	s.mu.Unlock()
	s.known.poll(s) // and so again with every poll
	s.notify(Notice{Receiver: s.o.Receivers[i], Kind: LeftBehind, At: p.Next, Lost: p.Lost})
}

func (s *Sender) notify(n Notice) {
	if s.o.Notify != nil {
		s.o.Notify(n)
	}
}
