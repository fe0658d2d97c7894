package token

import (
	"testing"
	"time"

	"vipd/heartbeat/clock"
)

// limit steps the machine and returns the limit of its first token's lease then.
func limit(m *Machine, now clock.Instant, ev Event) clock.Instant {
	m.Step(now, ev)
	return m.limitOf(0)
}

// goAlone lets the peer be silent until now, with nothing left to read.
func goAlone(t *testing.T, m *Machine, now clock.Instant) {
	t.Helper()
	m.Step(now, Tick{})
	if got := limit(m, m.Deadline(), Tick{}); got != clock.Never {
		t.Fatalf("limit %v of one that is alone", got.Sub(at(0)))
	}
}

// A step that comes late, or by something else than a Tick, does not find the peer silent:
// its messages may wait unread. The step after it is due at once, and what was read comes first.
func TestSilenceIsFoundWithNothingLeftToRead(t *testing.T) {
	for _, ev := range []Event{Tick{}, Eligibility{}, NetworkForwarding{}} {
		m := holder(t, spec("vip:front", 0))
		m.Step(at(60*ms), ev)
		if got := limit(m, at(100*ms), ev); got != at(121*ms) || m.Deadline() != at(100*ms)+1 {
			t.Errorf("%T: limit %v, next step after %v", ev, got.Sub(at(0)), m.Deadline().Sub(at(100*ms)))
		}
		w := idle(m, at(1*ms)) // it had come before
		w.Silence = 99 * ms
		if got := limit(m, at(100*ms)+1, w); got != at(121*ms) {
			t.Errorf("%T: limit %v after its word", ev, got.Sub(at(0)))
		}
	}
}

// A new session of the peer leaves the lease as its echoes had it. It may have heard
// nothing of ours since it began, and takes after W from then.
func TestNewSessionRenewsNothing(t *testing.T) {
	m := holder(t, spec("vip:front", 0))
	w := idle(m, at(1*ms))
	w.NewSession, w.Echoed, w.Proof = true, 0, at(30*ms)
	if got := limit(m, at(30*ms), w); got != at(121*ms) {
		t.Errorf("limit %v, want L after the newest echo", got.Sub(at(0)))
	}
}

// A session that has not proved itself, but may be the peer's present one, ends the time
// in which the peer's silence bound nothing: the lease ends L after its first message.
func TestPendingSessionBindsTheLease(t *testing.T) {
	m := holder(t, spec("vip:front", 0))
	goAlone(t, m, at(100*ms))
	for _, now := range []clock.Instant{at(110 * ms), at(150 * ms), at(200 * ms)} {
		if got := limit(m, now, SessionPending{Peer: 2, Later: true}); got != at(230*ms) {
			t.Errorf("limit %v at %v, want L after the first sound", got.Sub(at(0)), now.Sub(at(0)))
		}
	}
}

// A node that took alone and has not heard the peer since it started, or thawed, is bound by
// a session of the peer that is later than all it knew; a recording of the one that it knew
// comes too late.
func TestLaterSessionBindsWhoHeardNothing(t *testing.T) {
	for _, thawed := range []bool{false, true} {
		for _, later := range []bool{false, true} {
			m := New(config(spec("vip:front", 0)), at(0))
			if thawed {
				m = holder(t, spec("vip:front", 0))
				m.Step(at(time.Second), Resumed{})
				m.Step(at(time.Second), Down{Token: 0})
			}
			m.Step(at(time.Second), EpochsReserved{HighWater: 1000, OK: true})
			m.Step(at(time.Second), NetworkForwarding{})
			for now := m.Deadline(); now < at(3*time.Second); now = max(now+1, m.Deadline()) {
				m.Step(now, Tick{})
			}
			m.Step(at(3*time.Second), Up{Token: 0, Epoch: m.tokens[0].epoch})
			if got := limit(m, at(3*time.Second), Tick{}); m.Phase(0) != Holding || got != clock.Never {
				t.Fatalf("thawed %v: %v, limit %v", thawed, m.Phase(0), got.Sub(at(0)))
			}
			if bound := limit(m, at(3*time.Second+ms), SessionPending{Peer: 2, Later: later}) == at(3*time.Second+121*ms); bound != later {
				t.Errorf("thawed %v, later %v: bound %v", thawed, later, bound)
			}
		}
	}
}

// Words of the peer may wait unread after a stall of ours: it does not count as silent
// yet, so the lease stays bound to its echoes, and what it holds is not taken.
func TestStallIsNoSilence(t *testing.T) {
	m := holder(t, spec("vip:front", 0))
	m.Step(at(90*ms), LateStep{Peer: 2})
	if got := limit(m, at(100*ms), Tick{}); got != at(121*ms) {
		t.Errorf("limit %v right after a stall", got.Sub(at(0)))
	}

	m, word := beside(t, spec("vip:front", 0), func(c *Claim) { c.Phase, c.Epoch, c.Seen = Holding, 9<<8|2, 9<<8|2 })
	word(1 * ms)
	m.Step(at(100*ms), LateStep{Peer: 2})
	for _, c := range []struct {
		at   clock.Instant
		want Phase
	}{{at(200 * ms), Idle}, {at(250*ms - 1), Idle}, {at(250 * ms), Taking}} {
		if m.Step(c.at, Tick{}); m.Phase(0) != c.want {
			t.Errorf("%v: %v, want %v", c.at.Sub(at(0)), m.Phase(0), c.want)
		}
	}
}

// A token that has left the file while it goes down is bound by every node, also by one
// that has said nothing of it since this daemon started.
func TestGoneTokenIsBoundByWhoSaidNothing(t *testing.T) {
	s := spec("group:db", 0)
	s.StopBeforeRelease = true
	m := New(config(s), at(0))
	m.Step(at(0), EpochsReserved{HighWater: 1000, OK: true})
	m.Step(at(0), Adopt{Token: 0, Epoch: 5<<8 | 1, Expiry: at(100 * ms)})
	m.Step(at(1*ms), Reconfigure{})
	if m.Step(at(2*ms), Tick{}); m.Phase(0) != Dropping || m.tokens[0].lease.limit != at(100*ms) {
		t.Errorf("%v, with a lease until %v", m.Phase(0), m.tokens[0].lease.limit.Sub(at(0)))
	}
}

// The first word after a silence of no more than a dead time voids what was renewed alone:
// the peer may have counted from the last send that it heard. After a longer one it took
// long ago, or never will, and the lease stands for L.
func TestFirstWordAfterASilence(t *testing.T) {
	for _, c := range []struct{ at, want clock.Instant }{{at(110 * ms), at(121 * ms)}, {at(200 * ms), at(320 * ms)}} {
		m := holder(t, spec("vip:front", 0))
		goAlone(t, m, at(100*ms))
		w := idle(m, c.at)
		w.Echoed, w.Silence = at(1*ms), c.at.Sub(at(1*ms))
		if got := limit(m, c.at, w); got != c.want {
			t.Errorf("first word at %v: limit %v, want %v", c.at.Sub(at(0)), got.Sub(at(0)), c.want.Sub(at(0)))
		}
	}
}

// A rival that has not heard us since a cut healed in its direction alone lets an address
// live until it has told its clients again; anything else ends by its echoes.
func TestDeafRivalBindsLater(t *testing.T) {
	for _, c := range []struct {
		askable bool
		want    clock.Instant
	}{{true, at(200*ms + aloneEvery + probeTrip)}, {false, at(320 * ms)}} {
		s := spec("vip:front", 0)
		s.Probeable = c.askable
		m := holder(t, s)
		goAlone(t, m, at(100*ms))
		w := idle(m, at(200*ms))
		w.Echoed, w.Silence = at(1*ms), 199*ms
		w.Claims[0].Phase, w.Claims[0].Epoch, w.Claims[0].Seen = Holding, 2<<8|2, 2<<8|2
		if got := limit(m, at(200*ms), w); got != c.want {
			t.Errorf("askable %v: limit %v, want %v", c.askable, got.Sub(at(0)), c.want.Sub(at(0)))
		}
	}
}

// The word of a peer that can't take is good for an interval and a half from its arrival.
func TestUnfitPeerBinds(t *testing.T) {
	m := holder(t, spec("vip:front", 0))
	w := idle(m, at(50*ms))
	w.Echoed, w.Claims[0].Reasons = at(1*ms), LinkDown
	m.Step(at(50*ms), w)
	w = idle(m, at(80*ms))
	w.Echoed, w.Claims[0].Reasons, w.Waited = at(1*ms), LinkDown, 5*ms
	if got := limit(m, at(80*ms), w); got != at(150*ms) {
		t.Errorf("limit %v, want 1.5 I after the word arrived", got.Sub(at(0)))
	}
}

// A lease that ran out while its group went down is over, whatever echo comes.
func TestLastLeaseStaysOver(t *testing.T) {
	s := spec("group:db", 0)
	s.StopBeforeRelease = true
	m := holder(t, s)
	m.Step(at(2*ms), Eligibility{Token: 0, Reasons: LinkDown})
	if m.Phase(0) != Dropping || m.tokens[0].lease.limit != at(121*ms) {
		t.Fatalf("%v, with a lease until %v", m.Phase(0), m.tokens[0].lease.limit.Sub(at(0)))
	}
	if got := limit(m, at(125*ms), idle(m, at(124*ms))); got != 0 {
		t.Errorf("it goes on until %v", got.Sub(at(0)))
	}
}
