package node

import (
	"vipd/heartbeat/clock"
	"vipd/token"
)

// finishShutdown ends a stop or a restart when the peers know, or after its limit.
func (m *Machine) finishShutdown(now clock.Instant) {
	if m.stopping != 0 && !m.left &&
		(m.tokens.Idle() && m.tokens.Acknowledged(now, m.tokens.Revision()) || now >= m.stopping.Add(stopLimit+m.groups.stopTime())) {
		m.left = true
		m.do(Exit{})
	}
	r := &m.restart
	if r.since == 0 || r.done {
		return
	}
	if m.tokens.Acknowledged(now, r.edition) || now >= r.since.Add(restartLimit) {
		r.done = true
		m.do(Reexec{Awaited: m.tokens.AbsenceAcknowledged(now, r.edition)})
	}
}

// beginRestart announces that we shall be silent for a while and be back.
func (m *Machine) beginRestart(now clock.Instant) {
	if m.restart.since != 0 || m.stopping != 0 {
		return
	}
	m.decide(now, token.BumpRevision{})
	m.restart = restart{since: now, edition: m.tokens.Revision()}
}
