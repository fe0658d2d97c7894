package token

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"vipd/heartbeat/clock"
)

// besideHolder returns a machine of so many tokens, half of them on either of two
// networks, that a peer holds; it was heard last at 1 ms.
func besideHolder(t *testing.T, tokens int, holds bool) *Machine {
	t.Helper()
	var specs []Spec
	for i := range tokens {
		s := spec(fmt.Sprint("vip:", i), 0)
		s.Probeable, s.Network = true, uint64(1+i%2)
		if !holds {
			s.Members[1].Priority = 300 // else we should have it by now
		}
		specs = append(specs, s)
	}
	m := New(config(specs...), at(0))
	m.Step(at(0), EpochsReserved{HighWater: 1e6, OK: true})
	for i := range 3 { // the newest knows what we said to the one before
		w := idle(m, at(ms/3*time.Duration(i+1)))
		w.Leased = true
		for j := range w.Claims {
			w.Claims[j] = same(m, j)
			if holds {
				w.Claims[j].Phase, w.Claims[j].Epoch, w.Claims[j].Seen = Holding, 9<<8|2, 9<<8|2
			}
		}
		m.Step(at(ms/3*time.Duration(i+1)), w)
	}
	return m
}

// play lets time pass until, calling each with what every step asked for.
func play(m *Machine, from, until clock.Instant, each func(now clock.Instant, asked []Probe, taken []Acquire)) {
	for now := max(from, m.Deadline()); now <= until; now = max(now+1, m.Deadline()) {
		actions := m.Step(now, Tick{})
		each(now, find[Probe](actions), find[Acquire](actions))
	}
}

// Of many tokens of one holder some are asked for, on each network, in turn; and when
// no answer has come, all are taken at once.
func TestFewAreAskedForAll(t *testing.T) {
	const tokens = 80
	m := besideHolder(t, tokens, true)
	asked, taken, steps := map[int]bool{}, 0, 0
	play(m, at(ms), at(152*ms), func(now clock.Instant, asks []Probe, takes []Acquire) {
		for _, a := range asks {
			asked[a.Token] = true
		}
		if len(asks) > 2*usualSample {
			t.Errorf("%d questions at once", len(asks))
		}
		if len(takes) > 0 {
			taken += len(takes)
			steps++
		}
	})
	if taken != tokens || steps != 1 {
		t.Errorf("took %d of %d tokens in %d steps", taken, tokens, steps)
	}
	if len(asked) < 8*2*usualSample {
		t.Errorf("asked for %d different tokens", len(asked))
	}
}

// An answer for one token speaks for all on its network, and for no other.
func TestAnAnswerSpeaksForAll(t *testing.T) {
	const tokens = 80
	m := besideHolder(t, tokens, true)
	taken := map[int]clock.Instant{}
	play(m, at(ms), at(200*ms), func(now clock.Instant, asks []Probe, takes []Acquire) {
		for _, a := range asks {
			if a.Token%2 == 0 && now < at(145*ms) {
				m.Step(now+1, ProbeAnswered{Token: a.Token, Peer: 2, Asked: now})
			}
		}
		for _, a := range takes {
			taken[a.Token] = now
		}
	})
	for i := range tokens {
		early := taken[i] != 0 && taken[i] < at(155*ms)
		if answered := i%2 == 0; early == answered {
			t.Fatalf("token %d was taken %v after the last word", i, taken[i].Sub(at(ms)))
		}
	}
	if len(taken) != tokens {
		t.Errorf("%d of %d were taken when the answers had ended", len(taken), tokens)
	}
}

// Where no holder is known, each is asked for itself, no more at a time than the
// network bears; none is taken that was not asked for often enough.
func TestEachIsAskedForWhereNobodyHeld(t *testing.T) {
	const tokens = 200
	m := besideHolder(t, tokens, false)
	asked, taken := map[int]int{}, 0
	var last []clock.Instant
	play(m, at(ms), at(2*time.Second), func(now clock.Instant, asks []Probe, takes []Acquire) {
		for _, a := range asks {
			asked[a.Token]++
			last = append(last, now)
		}
		if n := len(last); n > probeRate && now.Sub(last[n-1-probeRate]) < ms/2 {
			t.Fatalf("%d questions in %v", probeRate+1, now.Sub(last[n-1-probeRate]))
		}
		for _, a := range takes {
			taken++
			if asked[a.Token] < probesNeeded {
				t.Fatalf("took token %d after %d questions", a.Token, asked[a.Token])
			}
		}
	})
	if taken != tokens {
		t.Errorf("%d of %d were taken", taken, tokens)
	}
}

// A peer that asks for one token is about to take the others too: the lower rank waits.
func TestARivalsQuestionSpeaksForAll(t *testing.T) {
	const tokens = 20
	m := besideHolder(t, tokens, true)
	for i := range m.tokens {
		m.tokens[i].spec.Members[1].Priority, m.tokens[i].claims[0].Priority = 300, 300
	}
	played := false
	play(m, at(ms), at(250*ms), func(now clock.Instant, asks []Probe, takes []Acquire) {
		if !played && now > at(140*ms) {
			played = true
			m.Step(now+1, PeerProbes{Token: 0, Peer: 2})
		}
		for _, a := range takes {
			if a.Token%2 == 0 {
				t.Fatalf("token %d was taken %v after the last word", a.Token, now.Sub(at(ms)))
			}
		}
	})
	if !slices.ContainsFunc(m.tokens, func(s state) bool { return s.phase == Taking }) {
		t.Error("none of the other network was taken")
	}
}

// An answer is no proof: it blocks a take for UnprovedFor after W and no longer, and
// status names the hardware address that gave it.
func TestUnprovedAnswersBlockForABoundedTime(t *testing.T) {
	m := besideHolder(t, 1, true)
	mac := [6]byte{2, 0, 0, 0, 0, 9}
	var asked, blocked, taken clock.Instant
	for now := at(ms); taken == 0 && now <= at(4*time.Second); now = max(now+1, m.Deadline()) {
		actions := m.Step(now, Tick{})
		if len(find[Acquire](actions)) > 0 {
			taken = now
			break
		}
		for _, a := range find[Probe](actions) {
			asked = now
			m.Step(now+1, ProbeAnswered{Token: a.Token, Peer: 2, Asked: now, MAC: mac})
		}
		if v := m.Status(now, 0); v.Blocked != nil && blocked == 0 {
			blocked = now
			if v.Blocked.MAC != mac || v.Blocked.Until.Sub(now) > UnprovedFor {
				t.Errorf("blocked by %v at %v", *v.Blocked, now)
			}
		}
	}
	switch {
	case asked == 0 || blocked == 0 || taken == 0:
		t.Fatalf("asked at %v, blocked at %v, taken at %v", asked, blocked, taken)
	case taken.Sub(blocked) > UnprovedFor || taken.Sub(blocked) < UnprovedFor*9/10:
		t.Errorf("taken %v after the first block", taken.Sub(blocked))
	}
}

// The words of a third node, late by more than half a dead time each, don't make the time
// longer for which an answer without a proof blocks the take.
func TestUnprovedAnswersBesideAThirdNode(t *testing.T) {
	s := spec("vip:front", 0)
	s.Probeable = true
	s.Members = append(s.Members, Member{Slot: 3, Priority: 50, Place: 2})
	m := New(config(s), at(0))
	m.Step(at(0), EpochsReserved{HighWater: 1000, OK: true})
	say := func(now clock.Instant, peer uint8, phase Phase) {
		w := idle(m, now)
		w.Peer, w.Leased = peer, true
		if phase == Holding {
			w.Claims[0].Phase, w.Claims[0].Epoch, w.Claims[0].Seen = Holding, 9<<8|2, 9<<8|2
		}
		m.Step(now, w)
	}
	say(at(1), 2, Holding)
	var taken clock.Instant
	third := at(1)
	for now := at(2); taken == 0 && now <= at(4*time.Second); now = min(max(now+1, m.Deadline()), max(now+1, third)) {
		if now >= third {
			say(now, 3, Idle)
			third = now.Add(100 * ms)
		}
		actions := m.Step(now, Tick{})
		if len(find[Acquire](actions)) > 0 {
			taken = now
		}
		for _, a := range find[Probe](actions) {
			m.Step(now+1, ProbeAnswered{Token: a.Token, Peer: 2, Asked: now})
		}
	}
	if late := taken.Sub(at(150*ms + UnprovedFor)); taken == 0 || late < 0 || late > 10*ms {
		t.Errorf("taken %v after it might be", late)
	}
}
