package heartbeat

import (
	"time"

	"vipd/heartbeat/clock"
)

// A beat leaves on each path twice: to the group, and to each peer's own address, for a
// network may drop either. While every peer answers each beat on every path, the copies to
// the group are spared, but for one a second. A beat that is not answered on one path in 1.2
// intervals brings them back for all: the next beat leaves twice again. The cost of a
// beat is the number of its copies, on both hosts.
//
// Where the copies to the group alone arrive, the first beat without one is lost. Such a
// network is tried ever more seldom. A dead time must have room for that beat, so it is three
// intervals at least.

const (
	// wellFor is how long every beat has been answered before copies are spared.
	wellFor = 5 * time.Second
	// wellMost bounds the growth of wellFor where they can't be spared.
	wellMost = time.Hour
	// triedFor is how many intervals copies must have been spared to show that they can be.
	triedFor = 20
	// groupEvery is how often there is a copy to the group all the same.
	groupEvery = time.Second
)

// copySparing decides whether copies to the group may be spared.
type copySparing struct {
	from clock.Instant // all has been well for long enough then, if it stays so; 0: not begun
	rest time.Duration // how long that is
}

// note takes until when all is well at now: no beat lacks an answer before that.
func (s *copySparing) note(now, well clock.Instant, interval time.Duration) {
	switch {
	case s.from == 0:
		s.from, s.rest = now.Add(wellFor), wellFor
	case now < well:
		return
	case now >= s.from && now.Sub(s.from) < triedFor*interval:
		s.rest = min(2*s.rest, wellMost)
	case now >= s.from:
		s.rest = wellFor
	}
	s.from = now.Add(s.rest)
}

// Spare returns until when a beat may leave without a copy to the group, 0 if it may not.
func (m *Machine) Spare(now clock.Instant) clock.Instant {
	if m.sparing.from == 0 || now < m.sparing.from {
		return 0
	}
	return m.wellUntil()
}

// watchCopies looks whether every peer still answers on every path.
func (m *Machine) watchCopies(now clock.Instant) {
	if m.config.Paths > 0 && m.config.Dead >= 3*m.config.Interval {
		m.sparing.note(now, m.wellUntil(), m.config.Interval)
	}
}

// wellUntil returns when the first beat lacks an answer, should none come any more.
func (m *Machine) wellUntil() clock.Instant {
	well := clock.Never
	for i := range m.peers {
		for k := range min(m.config.Paths, MaxPaths) {
			well = clock.Min(well, m.peers[i].Paths[k].answered.Add(m.config.Interval*6/5))
		}
	}
	return well
}

// Spares reports whether a beat that is due at now leaves without a copy to the group.
func (s *Sender) Spares(now clock.Instant) bool {
	if now < s.payload.Spare && now.Sub(s.grouped) < groupEvery {
		return true
	}
	s.grouped = now
	return false
}
