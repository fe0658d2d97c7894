package token

import (
	"time"

	"vipd/heartbeat/clock"
)

// With Disable Inheritance no node takes on silence, so the name of the holder must outlive
// a crash. The taker has it on disk before it puts the resource up; the giver has on disk
// that it gave before it says so. No other node can have taken meanwhile, so a recorded
// holder that starts again, in the same boot, goes on at once.

// recordRetry is how long to wait before a record that failed is tried again.
const recordRetry = time.Second

// durable reports whether the token's holder is kept on disk.
func (t *state) durable() bool { return t.bits&DisableInheritance != 0 }

// persistRecord asks the disk; one record at a time is under way.
func (m *Machine) persistRecord(i int, r Record) {
	t := &m.tokens[i]
	t.record, t.writing = r, true
	m.do(PersistRecord{Token: i, Record: r})
}

// recordPersisted goes on where the record was needed. A taker that can't have it on
// disk gives up; a giver that can't stays silent and tries again.
func (m *Machine) recordPersisted(now clock.Instant, e RecordPersisted) {
	t := &m.tokens[e.Token]
	if !t.writing {
		return
	}
	t.writing = false
	if e.OK {
		t.kept = t.record
	}
	switch {
	case t.phase == Taking && e.OK:
		m.do(Acquire{Token: e.Token, Epoch: t.epoch, Cause: t.cause, From: t.from})
	case t.phase == Taking:
		t.retry = now.Add(recordRetry)
		m.drop(e.Token, AddressFailed)
	case !e.OK:
		t.rewrite = now.Add(recordRetry)
	}
}

// recordWanted is the record as it is to be now.
func (m *Machine) recordWanted(t *state) Record {
	return Record{
		Epoch:    max(t.epoch, t.record.Epoch),
		Holder:   (t.phase == Taking || t.phase == Holding) && t.allWaitForReport(),
		Promised: t.promises(),
		Relied:   m.relied(t),
	}
}

// syncRecord has the disk know whether this node holds a token that no node takes on
// silence, and what was promised about it, also where a new configuration or a peer's report
// has changed that.
func (m *Machine) syncRecord(q *query, i int) {
	t := &m.tokens[i]
	if t.phase == Taking || t.writing || t.rewrite != 0 && !q.reached(t.rewrite) {
		return
	}
	want := m.recordWanted(t)
	if t.rewrite != 0 || want.Holder != t.record.Holder || want.Promised != t.record.Promised || want.Relied != t.record.Relied {
		t.rewrite = 0
		m.persistRecord(i, want)
	}
}

// lastLease (rule G1) is for a resource that stops before its release. Once the lease has run
// out, or another holder is heard, it is over: a peer may have taken, and no echo revives it.
func (m *Machine) lastLease(q *query, t *state) {
	if t.lease.state == noLease {
		return
	}
	limit := m.leaseLimit(q, t)
	switch {
	case q.now >= t.lease.limit, q.reached(limit), t.bits&AllowMultiple == 0 && m.rival(q, t):
		m.endLease(t)
	default:
		m.extendLease(t, limit)
	}
}

// finishDrop ends a drop when the effector has confirmed it and the disk has the record.
func (m *Machine) finishDrop(q *query, i int) {
	t := &m.tokens[i]
	m.lastLease(q, t)
	if !t.removed || t.writing || t.rewrite != 0 && !q.reached(t.rewrite) {
		return
	}
	if t.durable() && (t.record.Holder || t.rewrite != 0) {
		t.rewrite = 0
		given := m.recordWanted(t)
		given.To = t.handover.peer
		m.persistRecord(i, given)
		return
	}
	if t.lease.state != noLease {
		m.endLease(t)
	}
	t.phase, t.pinned, t.removed = Idle, false, false
	if t.handover.verb == Release {
		t.handover.until = q.now.Add(m.config.Dead)
	}
}

// restoreRecord goes on with the tokens that an earlier run in this boot held.
func (m *Machine) restoreRecord(now clock.Instant, e RestoreRecord) {
	t := &m.tokens[e.Token]
	t.record, t.kept = e.Record, e.Record
	for j := range t.claims {
		t.claims[j].relied = e.Record.Relied.Has(m.peers[j].slot)
	}
	t.bits = t.applied()
	if !t.durable() || !e.Record.Holder || t.phase != Idle {
		return
	}
	m.listens = false
	t.seen = e.Record.Epoch
	t.phase, t.epoch, t.since, t.cause = Taking, e.Record.Epoch, now, Restarted
	m.adoptLease(t, now.Add(m.config.Lease))
	m.do(Acquire{Token: e.Token, Epoch: t.epoch, Cause: Restarted, From: m.config.Self})
}
