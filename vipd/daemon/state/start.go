package state

import (
	"maps"
	"time"

	"vipd/heartbeat"
	"vipd/heartbeat/clock"
	"vipd/seal"
)

// epoch0 is where the start counter's floor begins to count.
var epoch0 = clock.Wall(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())

// StartFloor is the least start counter at a time of day: eighths of a second
// since 2026, so that a node that lost its state starts above what it used before.
func StartFloor(now clock.Wall) uint64 {
	if now <= epoch0 {
		return 0
	}
	return uint64(now.Sub(epoch0) / (time.Second / 8))
}

// ReserveStart takes the next start counter and has it on the disk before it is
// used. The floor counts only while the kernel calls the clock synchronised; 0
// stands for none. A node whose disk refuses to be written gets 0.
func (s *Store) ReserveStart(floor uint64) (uint64, error) {
	start, keep := heartbeat.NextStart(s.State().Start, floor)
	if err := s.change(func(s *State) { s.Start = keep }); err != nil {
		return 0, err
	}
	return start, nil
}

// keepStart has the disk keep that the next start must be above.
func (s *State) keepStart(above uint64) { s.Start = max(s.Start, above) }

func (s *State) keepPeerStart(p PeerStart) {
	next := maps.Clone(s.PeerStarts) // the old map is that of the state before
	if next == nil {
		next = map[uint8]uint64{}
	}
	next[p.Slot] = max(next[p.Slot], p.Start)
	s.PeerStarts = next
}

// NewOpener opens what the peers seal, and knows of their starts what the disk
// kept.
func NewOpener(ring *seal.Ring, disk *Store) *seal.Opener {
	opener := seal.NewOpener(ring, seal.Heartbeat)
	for slot, start := range disk.State().PeerStarts {
		opener.Remember(slot, start)
	}
	return opener
}

// PeerStarts are the starts that the disk kept, as the machine takes them.
func (s *Store) PeerStarts() (list []heartbeat.Start) {
	for slot, start := range s.State().PeerStarts {
		list = append(list, heartbeat.Start{Slot: slot, Start: start})
	}
	return list
}
