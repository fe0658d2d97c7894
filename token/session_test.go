package token

import (
	"testing"

	"vipd/heartbeat/clock"
)

// limit steps the machine and returns the limit of its first token's lease then.
func limit(m *Machine, now clock.Instant, ev Event) clock.Instant {
	m.Step(now, ev)
	return m.tokens[0].limit
}

// A new session of the peer leaves the lease as its echoes had it. It may have heard
// nothing of ours since it began, and takes after W from then.
func TestNewSessionRenewsNothing(t *testing.T) {
	m := holder(t, spec("vip:front", 0))
	w := idle(m, at(1*ms))
	w.New, w.Echoed, w.Proof = true, 0, at(30*ms)
	if got := limit(m, at(30*ms), w); got != at(121*ms) {
		t.Errorf("limit %v, want L after the newest echo", got.Sub(at(0)))
	}
}

// A session that has not proved itself, but may be the peer's present one, ends the time
// in which the peer's silence bound nothing: the lease ends L after its first message.
func TestPendingSessionBindsTheLease(t *testing.T) {
	m := holder(t, spec("vip:front", 0))
	if got := limit(m, at(100*ms), Tick{}); got != clock.Never {
		t.Fatalf("limit %v of one that is alone", got.Sub(at(0)))
	}
	for _, now := range []clock.Instant{at(110 * ms), at(150 * ms), at(200 * ms)} {
		if got := limit(m, now, Audible{Peer: 2}); got != at(230*ms) {
			t.Errorf("limit %v at %v, want L after the first sound", got.Sub(at(0)), now.Sub(at(0)))
		}
	}
}
