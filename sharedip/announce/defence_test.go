package announce

import (
	"slices"
	"testing"
	"time"
)

func TestDefenceSchedule(t *testing.T) {
	start := time.Unix(1000, 0)
	var d defence
	var made []time.Duration
	for at := time.Duration(0); at < 25*time.Second; at += 100 * time.Millisecond {
		now := start.Add(at)
		d.claimed(now)
		if d.wanted(now) {
			d.done(now)
			made = append(made, at/time.Second)
		}
	}
	want := []time.Duration{0, 1, 2, 3, 4, 10, 11, 12, 13, 14, 20, 21, 22, 23, 24}
	if !slices.Equal(made, want) {
		t.Errorf("defended at %d s, want %d", made, want)
	}
}
