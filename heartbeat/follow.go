package heartbeat

import (
	"time"

	"vipd/heartbeat/clock"
)

// Two nodes beat one after the other: a beat of the node with the lower slot brings the
// other one's forward. A host then wakes once an interval for both beats and both answers,
// and not twice. No beat is ever later for it, so no rule rests on it: if the beats of the
// first are not heard, the other one keeps its own schedule. Three nodes and more beat each at
// its own time: many beats at once would delay the answers to them.

// The places of a node among two; alone is any other.
type place uint8

const (
	alone place = iota
	leads
	follows
)

func placeOf(c Config) place {
	switch {
	case c.Self == 0 || len(c.Peers) != 1:
		return alone
	case c.Self < c.Peers[0]:
		return leads
	}
	return follows
}

// lead is the part of an interval by which the first node is early, so that its beat comes
// before the other one is due by itself.
const lead = 32

// every is how long after a beat the next one is due.
func (s *Sender) every() time.Duration {
	if s.place == leads {
		return s.interval - s.interval/lead
	}
	return s.interval
}

// Leads reports whether the message, which the machine has just taken, is the newest beat of
// a peer. One that it refused, as it was kept back, brings no other forward.
func (m *Machine) Leads(r Received) bool {
	p := m.Peer(r.From)
	return r.Message.Kind == Beat && p != nil && p.Session == r.Session && p.seq == r.Message.Seq
}

// Follow notes that a beat of the peer has come at now. It reports whether that brings the
// own one forward, and if so moves the schedule on: the caller is to beat.
func (s *Sender) Follow(now clock.Instant) bool {
	if s.place != follows || s.next.Sub(now) > s.interval/2 {
		return false
	}
	s.next = now.Add(s.interval)
	return true
}
