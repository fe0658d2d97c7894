package heartbeat

import (
	"testing"
	"time"

	"vipd/heartbeat/clock"
)

// two plays two senders whose beats reach the other one after a delay, but for those that are
// lost, and returns when each has beaten.
func two(phase time.Duration, delay func(n int) time.Duration, lost func(n int) bool) (first, second []clock.Instant) {
	c := Config{Self: 1, Peers: []uint8{2}, Interval: 50 * ms, Dead: 150 * ms, Lease: 120 * ms}
	a := NewSender(c, at(0))
	c.Self, c.Peers = 2, []uint8{1}
	b := NewSender(c, at(phase))
	var arrivals []clock.Instant
	for now := at(0); now < at(10*time.Second); now = now.Add(50 * time.Microsecond) {
		if a.Due(now) {
			if first = append(first, now); !lost(len(first)) {
				arrivals = append(arrivals, now.Add(delay(len(first))))
			}
		}
		if len(arrivals) > 0 && now >= arrivals[0] {
			if arrivals = arrivals[1:]; b.Follow(now) {
				second = append(second, now)
			}
		}
		if b.Due(now) {
			second = append(second, now)
			if a.Follow(now) {
				panic("the first follows")
			}
		}
	}
	return first, second
}

// longest is the longest time between two beats, and from the start to the first.
func longest(list []clock.Instant) (most time.Duration) {
	for i := 1; i < len(list); i++ {
		most = max(most, list[i].Sub(list[i-1]))
	}
	return most
}

// The second node's beats come with the first one's within a second, whatever the phase, and
// neither's are ever later than an interval after the last, whatever is lost or late.
func TestFollow(t *testing.T) {
	soon := func(int) time.Duration { return 200 * time.Microsecond }
	none := func(int) bool { return false }
	for _, c := range []struct {
		name  string
		delay func(int) time.Duration
		lost  func(int) bool
	}{
		{"all is well", soon, none},
		{"late now and then", func(n int) time.Duration { return time.Duration(n%7) * 5 * ms }, none},
		{"each third is lost", soon, func(n int) bool { return n%3 == 0 }},
		{"all are lost", soon, func(int) bool { return true }},
	} {
		for phase := time.Duration(0); phase < 50*ms; phase += 3 * ms {
			first, second := two(phase, c.delay, c.lost)
			if a, b := longest(first), longest(second); a > 50*ms || b > 50*ms || b < 40*ms {
				t.Errorf("%s, phase %v: beats are up to %v and %v apart", c.name, phase, a, b)
			}
			if last := first[len(first)-1]; c.name == "all is well" && second[len(second)-1] != last.Add(200*time.Microsecond) {
				t.Errorf("phase %v: the last beats are at %v and %v", phase, last, second[len(second)-1])
			}
			if n := len(second); n > len(first)+30 {
				t.Errorf("%s, phase %v: %d beats after %d", c.name, phase, n, len(first))
			}
		}
	}
}

// Three nodes and more beat each at its own time.
func TestThreeDoNotFollow(t *testing.T) {
	for self := range uint8(4) {
		var peers []uint8
		for slot := uint8(1); slot <= 3; slot++ {
			if slot != self {
				peers = append(peers, slot)
			}
		}
		s := NewSender(Config{Self: self, Peers: peers, Interval: 50 * ms, Dead: 150 * ms, Lease: 120 * ms}, at(0))
		if !s.Due(at(0)) || s.Next() != at(50*ms) || s.Follow(at(49*ms)) {
			t.Errorf("slot %d of three: next at %v", self, s.Next().Sub(at(0)))
		}
	}
}

// A beat that is the newest of its session leads; an answer, one of another session, and one
// that was kept back for too long and is refused do not.
func TestLeads(t *testing.T) {
	m := New(config, at(0))
	take := func(now time.Duration, r Received) bool {
		m.Step(at(now), r)
		return m.Leads(r)
	}
	if !take(ms, from(at(ms), 1, Beat, at(0))) {
		t.Error("the first beat does not lead")
	}
	if take(2*ms, from(at(2*ms), 2, Reply, at(ms))) {
		t.Error("an answer leads")
	}
	older := from(at(3*ms), 3, Beat, 0)
	older.Session = another
	if take(3*ms, older) {
		t.Error("a beat of a session that has not proved itself leads")
	}
	kept := from(at(900*ms), 9, Beat, 0)
	kept.Arrived = at(100 * ms)
	if take(900*ms, kept) {
		t.Error("a beat that is refused leads")
	}
}
