package node

import (
	"time"

	"vipd/heartbeat/clock"
	"vipd/token"
)

// epochsBegin is 2026-01-01 00:00 UTC, from which the floor of epochs counts.
var epochsBegin = clock.Wall(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())

// Floor returns the time of day as the least counter of an epoch: eighths of a second
// since 2026, 0 before.
func Floor(wall clock.Wall) uint64 {
	return uint64(max(wall.Sub(epochsBegin), 0) / (time.Second / 8))
}

// watchClock tells the token machine when the clock has come to be trusted, or is no more.
func (m *Machine) watchClock(now clock.Instant) {
	if m.wallAt != 0 && m.clockTrusted() != m.trusted {
		m.tellClock(now)
	}
}

func (m *Machine) tellClock(now clock.Instant) {
	m.trusted = m.clockTrusted()
	wall := m.wall + clock.Wall(now.Sub(m.wallAt))
	m.decide(now, token.ClockFloor{Floor: Floor(wall), Trusted: m.trusted})
}

// clockTrusted reports whether the time of day may be relied upon: the kernel calls it
// synchronised, or it is within a second of a peer's that is; and no such peer's is beyond.
func (m *Machine) clockTrusted() bool {
	trusted := m.synced
	for i := range m.peers {
		p := &m.peers[i]
		if !p.alive || !m.beats.Peer(p.slot).Synced {
			continue
		}
		if p.beyond {
			return false
		}
		trusted = trusted || p.within
	}
	return trusted
}
