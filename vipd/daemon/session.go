package daemon

import (
	"vipd/heartbeat"
	"vipd/host/boot"
	"vipd/seal"
	"vipd/vipd/daemon/state"
)

// newStream begins what this node seals from this start on.
func (d *Daemon) newStream(disk *state.Store) seal.Stream {
	floor := uint64(0)
	if boot.Synchronised() {
		floor = state.StartFloor(d.clocks.Wall())
	}
	start, err := disk.ReserveStart(floor)
	if err != nil {
		d.log.Error("the start counter can't be kept; peers take this node for one that lost its state", "err", err)
	}
	return seal.Stream{Kind: seal.Heartbeat, Sender: d.cluster().Self.Slot, Start: start, Session: seal.NewSession()}
}

// outranked is for a start counter that has gone back: this node's disk was lost or is
// an old copy of it, and its clock could not help. The next start is above what the peer
// knows. A session that has a lower counter is not listened to, so the daemon begins
// that start at once; one that has none is.
func (l *loop) outranked(a heartbeat.SessionReplaced) {
	l.log.Warn("a peer knows of a later start of this node than its disk does", "own", l.start, "peer", a.Start)
	l.writer.Enqueue(state.OwnStart{Above: a.Start, Begin: l.start != 0})
}

// restartNow asks for a new session: the bound of its start counter is on disk, or the disk refuses it.
type restartNow struct{}
