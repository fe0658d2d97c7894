package state

import (
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"vipd/heartbeat/clock"
	"vipd/seal"
)

func TestStartFloor(t *testing.T) {
	for _, c := range []struct {
		at   time.Time
		want uint64
	}{
		{time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC), 0},
		{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), 0},
		{time.Date(2026, 1, 1, 0, 0, 1, 0, time.UTC), 8},
		{time.Date(2026, 1, 2, 0, 0, 0, 249e6, time.UTC), 8*86400 + 1},
		{time.Date(2126, 1, 1, 0, 0, 0, 0, time.UTC), 8 * 86400 * 36524},
	} {
		if got := StartFloor(clock.Wall(c.at.UnixNano())); got != c.want {
			t.Errorf("%v: %d, want %d", c.at, got, c.want)
		}
	}
}

// Each start has a greater counter than the one before, and the disk has it first.
func TestReserveStart(t *testing.T) {
	for _, c := range []struct{ last, floor, want uint64 }{
		{0, 0, 0}, // lost, and no clock: the next one has a counter
		{0, 500, 500},
		{7, 0, 8},
		{7, 500, 500},
		{500, 500, 501}, // twice within an eighth of a second
		{9000, 500, 9001},
		{math.MaxUint64 - 1, 500, math.MaxUint64},
		{math.MaxUint64, 500, 0}, // never wrapped
	} {
		dir := t.TempDir()
		s := open(t, dir)
		s.change(func(s *State) { s.keepStart(c.last) })
		got, err := s.ReserveStart(c.floor)
		kept := open(t, dir).State().Start
		if err != nil || got != c.want || kept != max(c.want, c.last, 1) {
			t.Errorf("%d after %d and floor %d: want %d; kept %d, %v", got, c.last, c.floor, c.want, kept, err)
		}
	}
}

// A counter that the disk does not keep is not used.
func TestStartWithoutADisk(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	plain := filepath.Join(dir, "plain")
	os.WriteFile(plain, nil, 0o600)
	s.path = plain + "/state.json"
	if start, err := s.ReserveStart(500); start != 0 || err == nil {
		t.Errorf("start %d, %v", start, err)
	}
	if s.State().Start != 0 {
		t.Error("it is kept nevertheless")
	}
}

// What was proved of a peer refuses its earlier sessions after our restart.
func TestPeerStartsComeBack(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	s.change(func(s *State) { s.keepPeerStart(PeerStart{2, 50}); s.keepPeerStart(PeerStart{3, 9}) })
	before := s.State()
	s.change(func(s *State) { s.keepPeerStart(PeerStart{2, 40}); s.keepPeerStart(PeerStart{3, 10}) })
	if before.PeerStarts[3] != 9 {
		t.Error("a change of the state changed a copy of it")
	}
	ring, _ := seal.NewRing("t", seal.Key{1})
	opener := NewOpener(ring, open(t, dir))
	if a, b := opener.Confirmed(2), opener.Confirmed(3); a != 50 || b != 10 {
		t.Errorf("remembers %d and %d, want 50 and 10", a, b)
	}
	old := seal.NewSealer(ring, seal.Stream{Kind: seal.Heartbeat, Sender: 2, Start: 49, Session: 1}).Seal(nil, nil)
	if _, _, err := opener.Open(nil, old); err != seal.ErrOldStart {
		t.Errorf("a recording: %v", err)
	}
}

// A start that a peer knows to be later than ours is on the disk before the next one is
// begun, so that the next one is above. A node that seals without a start goes on. With a
// disk that refuses the next session has no start: peers hear it, and would never hear one
// whose start is too low.
func TestOutrankedStart(t *testing.T) {
	for _, c := range []struct{ begin, full, want bool }{{true, false, true}, {false, false, false}, {true, true, true}} {
		disk := Open(t.TempDir())
		if c.full {
			file := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(file, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			disk.path = filepath.Join(file, "state.json")
		}
		began := false
		w := NewWriter(disk, WriterOptions{Report: func(error) {}, Restart: func() { began = true }})
		OwnStart{1000, c.begin}.write(w)
		if next, err := disk.ReserveStart(0); began != c.want || !c.full && (err != nil || next != 1001) || c.full && (err == nil || next != 0) {
			t.Errorf("%+v: began %v, the next start is %d (%v)", c, began, next, err)
		}
	}
}
