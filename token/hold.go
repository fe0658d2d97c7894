package token

import (
	"time"

	"vipd/heartbeat/clock"
)

// Rule K4: after a failed take the node waits a second, then twice as long each time, up to
// half a minute.
const (
	retryFirst = time.Second
	retryMost  = 30 * time.Second
)

// hold (rule K1) applies the holder's rules: it holds the token until a hard reason, the end
// of the lease, a lost conflict, or a handover that the taker accepted.
func (m *Machine) hold(q *query, i int) {
	t := &m.tokens[i]
	if t.eligibility.level() == 0 {
		m.drop(i, causeOf(t.eligibility))
		return
	}
	switch m.renewLease(q, t) {
	case noLease:
		m.drop(i, LeaseExpired)
		return
	case expired:
		if !m.resolveConflict(q, i) && m.rival(q, t) {
			t.conflicted = true // it may be gone before the lease is back
		}
		return
	}
	m.syncRecord(q, i)
	if t.bits&AllowMultiple != 0 || m.resolveConflict(q, i) {
		return
	}
	m.afterConflict(q, i)
	if t.phase == Holding {
		m.announceAlone(q, i)
		m.planHandover(q, i)
	}
}

// causeOf names the weightiest of the reasons.
func causeOf(r Reason) Cause {
	for _, c := range []struct {
		Reason
		Cause
	}{
		{Stopping, Shutdown}, {LinkDown, LinkLost}, {Suspend | Released, Operator}, {Unconfigured, Reconfigured},
		{HandsFailed | Unable | TakeFailed | LeaseOpen, AddressFailed}, {OneWay, LeaseExpired}, {CheckFailing, CheckFailed},
		{GaveUp | GroupDown, UnitFailed}, {Apart, Priority},
	} {
		if r&c.Reason != 0 {
			return c.Cause
		}
	}
	return SelfStalled
}

// drop ends the lease and asks the effector to take the resource down. Until that is confirmed
// the claim says so. A resource that stops before its release keeps its lease until then,
// unless the lease has expired.
func (m *Machine) drop(i int, c Cause) {
	t := &m.tokens[i]
	ended := t.lease.state != running || c == LeaseExpired || c == SelfStalled
	t.phase, t.cause, t.previousHolder, t.removed = Dropping, c, true, false
	t.yield, t.conflicted = yield{}, false
	if t.handover.verb == Offer {
		t.handover = handover{decline: t.handover.decline}
	}
	if !t.spec.StopBeforeRelease || ended {
		m.endLease(t)
	}
	m.do(Drop{Token: i, Epoch: t.epoch, Cause: c})
}

// up notes that the resource is up and announced.
func (m *Machine) up(now clock.Instant, e Up) {
	if t := &m.tokens[e.Token]; t.phase == Taking && t.epoch == e.Epoch {
		t.phase, t.failures = Holding, 0
	}
}

// failed (rules G2, K4) notes that the resource could not be put up, or ended by itself:
// another node may try.
func (m *Machine) failed(now clock.Instant, e Failed) {
	t := &m.tokens[e.Token]
	if t.phase != Taking && t.phase != Holding || t.epoch != e.Epoch {
		return
	}
	t.retry = now.Add(min(retryFirst<<min(t.failures, 5), retryMost))
	t.failures++
	cause := e.Cause
	if cause == NoCause {
		cause = AddressFailed
	}
	m.drop(e.Token, cause)
}

// down notes that the resource is gone from this host.
func (m *Machine) down(i int) {
	if t := &m.tokens[i]; t.phase == Dropping {
		t.removed = true
	}
}

// adopt (rule H10) takes over a resource that an earlier run of this daemon left up under a
// lease that has not ended. The lease binds every peer, but for no longer than L from now,
// however long the restart was to last: from our first beat on a peer waits for no more than
// D.
func (m *Machine) adopt(now clock.Instant, e Adopt) {
	t := &m.tokens[e.Token]
	m.listens = false
	t.phase, t.epoch, t.seen, t.pinned = Holding, e.Epoch, e.Epoch, e.Pinned
	t.since, t.cause = now.Add(-e.Tenure), Restarted
	m.adoptLease(t, clock.Min(e.Expiry, now.Add(m.config.Lease)))
	m.do(Announce{Token: e.Token, Epoch: e.Epoch})
}
