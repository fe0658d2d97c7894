package heartbeat

import (
	"slices"
	"testing"
	"time"

	"vipd/heartbeat/clock"
)

// copiesWorld is a node with two paths whose peer answers its beats.
type copiesWorld struct {
	m    *Machine
	s    *Sender
	seq  uint64
	path func(now time.Duration, path uint8, spared bool) bool // whether a beat gets an answer on the path
}

func newCopiesWorld(change func(c *Config)) *copiesWorld {
	c := Config{Self: 1, Session: ours, Peers: []uint8{2}, Interval: 50 * ms, Dead: 150 * ms, Lease: 120 * ms, Paths: 2}
	if change != nil {
		change(&c)
	}
	return &copiesWorld{m: New(c, at(0)), s: NewSender(c, at(0)), path: func(time.Duration, uint8, bool) bool { return true }}
}

// play returns, in milliseconds, when the beats left without a copy to the group.
func (w *copiesWorld) play(long time.Duration) (spared []int) {
	for since := time.Duration(0); since < long; since += 50 * ms {
		w.m.Step(at(since), Tick{})
		w.s.SetPayload(Payload{Spare: w.m.Spare(at(since))})
		alone := w.s.Spares(at(since))
		if alone {
			spared = append(spared, int(since/ms))
		}
		w.answer(since, alone)
	}
	return spared
}

// answer plays the peer: a beat that arrives on a path is answered on it. The beat itself
// is its newest on both.
func (w *copiesWorld) answer(since time.Duration, spared bool) {
	for path := range uint8(2) {
		if w.path(since, path, spared) {
			w.seq++
			now := at(since + ms)
			r := from(now, w.seq, Reply, at(since))
			r.Path, r.Message.Sent = path, clock.Instant(w.seq)
			w.m.Step(now, r)
		}
	}
}

// groups are the intervals after which beats had a copy to the group, in milliseconds.
func groups(spared []int, from, to int) (list []int) {
	for at := from; at < to; at += 50 {
		if !slices.Contains(spared, at) {
			list = append(list, at)
		}
	}
	return list
}

// While every beat is answered on every path, one a second has a copy to the group; from
// the first that is not, all have, for five seconds.
func TestCopiesAreSpared(t *testing.T) {
	w := newCopiesWorld(nil)
	lost := 12 * time.Second
	w.path = func(now time.Duration, path uint8, _ bool) bool { return now != lost || path != 1 }
	spared := w.play(20 * time.Second)
	if spared[0] < 5000 || spared[0] > 5100 {
		t.Errorf("copies are spared from %d ms on", spared[0])
	}
	if list := groups(spared, 6000, 12000); len(list) != 6 {
		t.Errorf("in six seconds without trouble there was a copy to the group at %v ms", list)
	}
	for at := 12050; at < 17050; at += 50 {
		if slices.Contains(spared, at) {
			t.Errorf("a beat lacked an answer, and the one at %d ms has one copy", at)
		}
	}
	if !slices.Contains(spared, 17500) {
		t.Error("copies are not spared again")
	}
}

// Where something may be wrong, nothing is spared.
func TestCopiesThatAreNotSpared(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(c *Config)
		path   func(now time.Duration, path uint8, spared bool) bool
	}{
		{"a path that brings no answers", nil, func(_ time.Duration, path uint8, _ bool) bool { return path == 0 }},
		{"no answers", nil, func(time.Duration, uint8, bool) bool { return false }},
		{"a peer that is not there", func(c *Config) { c.Peers = []uint8{2, 3} }, nil},
		{"a dead time of two intervals", func(c *Config) { c.Dead = 100 * ms }, nil},
		{"paths that are not known", func(c *Config) { c.Paths = 0 }, nil},
	} {
		w := newCopiesWorld(c.change)
		if c.path != nil {
			w.path = c.path
		}
		if list := w.play(10 * time.Second); len(list) > 0 {
			t.Errorf("%s: spared at %v", c.name, list)
		}
	}
}

// A new session of the peer ends it.
func TestNewSessionEndsSparing(t *testing.T) {
	w := newCopiesWorld(nil)
	w.play(10 * time.Second)
	now := at(10 * time.Second)
	if w.m.Spare(now) == 0 {
		t.Fatal("nothing is spared")
	}
	r := from(now, 1, Beat, now.Add(-ms))
	r.Session, r.Start = another, 9
	w.m.Step(now, r)
	if w.m.Spare(now) != 0 {
		t.Error("copies are spared to a session that has answered nothing")
	}
}

// Where the copies to the group alone arrive, a beat is lost each time that they are
// spared: after 5, 10, 20 seconds, and so on. Each time the next beat has its copy again.
func TestNetworkThatNeedsTheGroup(t *testing.T) {
	w := newCopiesWorld(nil)
	w.path = func(_ time.Duration, path uint8, spared bool) bool { return path == 0 || !spared }
	spared := w.play(10 * time.Minute)
	if len(spared) < 5 || len(spared) > 7 {
		t.Errorf("spared at %v", spared)
	}
	for i := 1; i < len(spared); i++ {
		if gap := spared[i] - spared[i-1]; gap < 5000<<i {
			t.Errorf("tried again after %d ms: %v", gap, spared)
		}
	}
}
