package announce

import (
	"testing"
	"time"
)

// play runs one schedule for a time, sending n frames whenever it may, and
// returns when.
func play(s *schedule, total *bucket, start time.Time, length time.Duration, n int, also func(at time.Duration)) (sent []time.Duration) {
	for at := time.Duration(0); at < length; at += 10 * time.Millisecond {
		now := start.Add(at)
		if also != nil {
			also(at)
		}
		if s.wanted(now) && s.room(now, n, total) {
			sent = append(sent, at)
			s.advance(now)
		}
	}
	return sent
}

func TestScheduleThreeTimesThenEachMinute(t *testing.T) {
	var s schedule
	start := time.Unix(1000, 0)
	s.begin(start)
	sent := play(&s, &bucket{}, start, 130*time.Second, 2, nil)
	want := []time.Duration{0, 50, 150, 60150, 120150}
	for i := range want {
		if len(sent) != len(want) || sent[i] != want[i]*time.Millisecond {
			t.Fatalf("announced at %v, want %v ms", sent, want)
		}
	}
}

func TestScheduleNeverOverTenFramesASecond(t *testing.T) {
	for _, frames := range []int{1, 2} {
		var s schedule
		start := time.Unix(1000, 0)
		again := func(time.Duration) { s.begin(start) } // someone asks all the time
		sent := play(&s, &bucket{}, start, 5*time.Second, frames, again)
		for i := range sent {
			if j := i + addressRate/frames; j < len(sent) && sent[j]-sent[i] < time.Second {
				t.Errorf("%d frames each: announcements %d to %d within %v", frames, i, j, sent[j]-sent[i])
			}
		}
		if len(sent) < 4*addressRate/frames {
			t.Errorf("%d frames each: only %d announcements in 5 s", frames, len(sent))
		}
	}
}

func TestTotalRateSparesTheFirstFrames(t *testing.T) {
	var total bucket
	start := time.Unix(1000, 0)
	const addresses = 5 * totalRate
	all := make([]schedule, addresses)
	for i := range all {
		all[i].begin(start)
		if !all[i].room(start, 2, &total) {
			t.Fatalf("address %d was not announced at once", i)
		}
		all[i].advance(start)
	}
	later, repeated := start.Add(time.Second), 0
	for i := range all {
		if all[i].wanted(later) && all[i].room(later, 2, &total) {
			repeated++
		}
	}
	if repeated != totalRate/2 {
		t.Errorf("%d addresses repeated within one second, want %d", repeated, totalRate/2)
	}
}
