package token

import (
	"time"

	"vipd/heartbeat/clock"
)

// LeaseState is one token's lease as the thread that beats keeps it: min(limit, newest
// send + L). It is where the rule stands that a lease which has run out is not
// renewed: a peer may have taken since, and only the machine knows better.
//
//	0 ──Grant──► runs ──send──► runs on        Expiry may pass meanwhile
//	               └─send, too late─► ended ──Grant{Again}──► runs
type LeaseState struct {
	Length time.Duration // L
	limit  clock.Instant
	expiry clock.Instant
	epoch  uint64
	ended  bool
}

// Grant takes, at now, a lease that changed, sent being the newest send. Before the
// first one, an adopted lease stands as it was. It reports whether the lease had run
// out by now, once: between the decision and this moment, or before it.
func (t *LeaseState) Grant(l Lease, now, sent clock.Instant) (ended bool) {
	fresh := t.expiry == 0 || l.Epoch != t.epoch || l.Again
	ended = !fresh && !t.ended && now >= t.expiry && l.Limit > now
	t.limit, t.epoch = l.Limit, l.Epoch
	switch {
	case l.Limit == 0:
		t.expiry, t.ended = 0, false
	case fresh:
		t.ended = false
		t.reach(sent)
	case ended:
		t.ended = true
	case !t.ended:
		t.reach(sent)
	}
	return ended
}

// Renew is for a send that was stamped at sent. It reports whether the lease had
// run out by then, once: it stays as it is until it is granted again.
func (t *LeaseState) Renew(sent clock.Instant) (ended bool) {
	switch {
	case t.limit == 0 || t.ended:
		return false
	case sent >= t.expiry && sent < t.limit:
		t.ended = true
		return true
	}
	t.reach(sent)
	return false
}

func (t *LeaseState) reach(sent clock.Instant) {
	t.expiry = t.limit
	if sent != 0 {
		t.expiry = clock.Min(t.limit, sent.Add(t.Length))
	}
}

// Expiry is until when the resource may live; 0 if it is not held.
func (t *LeaseState) Expiry() clock.Instant { return t.expiry }

// Runs reports whether there is a lease at now that has not run out.
func (t *LeaseState) Runs(now clock.Instant) bool { return t.limit != 0 && !t.ended && now < t.expiry }

// Held reports whether there is a lease, be it one that has run out.
func (t *LeaseState) Held() bool { return t.limit != 0 }

// Epoch is that of the grant.
func (t *LeaseState) Epoch() uint64 { return t.epoch }
