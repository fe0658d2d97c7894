package daemon

import (
	"maps"
	"time"

	"vipd/heartbeat"
	"vipd/heartbeat/clock"
	"vipd/seal"
)

// epoch0 is where the start counter's floor begins to count.
var epoch0 = clock.Wall(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())

// startFloor is the least start counter at a time of day: eighths of a second
// since 2026, so that a node that lost its state starts above what it used before.
func startFloor(now clock.Wall) uint64 {
	if now <= epoch0 {
		return 0
	}
	return uint64(now.Sub(epoch0) / (time.Second / 8))
}

// reserveStart takes the next start counter and has it on the disk before it is
// used. The floor counts only while the kernel calls the clock synchronised; 0
// stands for none. A node whose disk refuses to be written gets 0.
func (s *store) reserveStart(floor uint64) (uint64, error) {
	start, keep := heartbeat.NextStart(s.state().Start, floor)
	if err := s.change(func(s *stored) { s.Start = keep }); err != nil {
		return 0, err
	}
	return start, nil
}

// keepStart has the disk keep that the next start must be above.
func (s *stored) keepStart(above uint64) { s.Start = max(s.Start, above) }

// peerStart is the start counter of a peer's session that has been proved. The
// disk keeps it, so that after a restart of ours recordings of earlier sessions
// are refused before their sender is heard.
type peerStart struct {
	slot  uint8
	start uint64
}

func (s *stored) keepPeerStart(p peerStart) {
	next := maps.Clone(s.PeerStarts) // the old map is that of the state before
	if next == nil {
		next = map[uint8]uint64{}
	}
	next[p.slot] = max(next[p.slot], p.start)
	s.PeerStarts = next
}

// newStream begins what this node seals from this start on.
func (d *Daemon) newStream(disk *store) seal.Stream {
	floor := uint64(0)
	if synchronised() {
		floor = startFloor(d.clocks.wall())
	}
	start, err := disk.reserveStart(floor)
	if err != nil {
		d.log.Error("the start counter can't be kept; peers take this node for one that lost its state", "err", err)
	}
	return seal.Stream{Kind: seal.Heartbeat, Sender: d.cluster().Self.Slot, Start: start, Session: seal.NewSession()}
}

// newOpener opens what the peers seal, and knows of their starts what the disk
// kept.
func newOpener(ring *seal.Ring, disk *store) *seal.Opener {
	opener := seal.NewOpener(ring, seal.Heartbeat)
	for slot, start := range disk.state().PeerStarts {
		opener.Remember(slot, start)
	}
	return opener
}

// peerStarts are the starts that the disk kept, as the machine takes them.
func (s *store) peerStarts() (list []heartbeat.Start) {
	for slot, start := range s.state().PeerStarts {
		list = append(list, heartbeat.Start{Slot: slot, Start: start})
	}
	return list
}

// outranked is for a start counter that has gone back: this node's disk was lost or is
// an old copy of it, and its clock could not help. The next start is above what the peer
// knows. A session that has a lower counter is not listened to, so the daemon begins
// that start at once; one that has none is.
func (l *loop) outranked(a heartbeat.SessionReplaced) {
	l.log.Warn("a peer knows of a later start of this node than its disk does", "own", l.start, "peer", a.Start)
	l.keeper.ask(ownStart{a.Start, l.start != 0})
}

// ownStart has the disk keep that the next start must be above this one. The loop is
// told when it does, to begin that start.
type ownStart struct {
	above uint64
	begin bool
}

// restartNow says that the disk knows what the next start has to be above.
type restartNow struct{}
