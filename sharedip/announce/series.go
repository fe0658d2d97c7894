package announce

import "time"

const (
	// addressRate is the most announcement frames of one address in any second.
	addressRate = 10
	// totalRate is the most announcement frames of all addresses in a second,
	// apart from each address's first spared ones after a take.
	totalRate = 1000
	// spared is the number of frames after a take that totalRate never holds back.
	spared = 2
	// RateDelay is how long an announcement waits that a rate held back.
	RateDelay = 100 * time.Millisecond
	// QueueDelay is how long one waits for which a queue on the way had no room.
	QueueDelay = 2 * time.Millisecond
	// refreshEvery is how often a held address is announced without cause.
	refreshEvery = time.Minute
)

// A series has Repeats announcements and takes SeriesTime.
const (
	Repeats    = 3
	SeriesTime = 150 * time.Millisecond
)

// repeats are the times of the announcements, counted from the first.
var repeats = [Repeats]time.Duration{0, 50 * time.Millisecond, SeriesTime}

// schedule says when one address is announced. The zero value says never.
type schedule struct {
	due   time.Time // zero: not wanted
	begun time.Time
	step  int // of repeats
	forms int // of the announcement that is due, sent already
	sent  int // frames ever
	taken int // of them before the last take
	last  [addressRate]time.Time
}

// take begins the series of a new tenure, whose first frames are spared.
func (s *schedule) take(now time.Time) {
	s.taken = s.sent
	s.begin(now)
}

// begin wants the whole series of announcements from now on.
func (s *schedule) begin(now time.Time) { s.due, s.begun, s.step, s.forms = now, now, 0, 0 }

func (s *schedule) stop() { s.due = time.Time{} }

func (s *schedule) wanted(now time.Time) bool { return !s.due.IsZero() && !now.Before(s.due) }

// room reports whether n frames may go out now, and counts them if so.
func (s *schedule) room(now time.Time, n int, total *bucket) bool {
	oldest := s.last[(s.sent+n-1)%addressRate]
	if now.Sub(oldest) < time.Second || !total.take(now, n) && s.sent-s.taken >= spared {
		return false
	}
	for range n {
		s.last[s.sent%addressRate] = now
		s.sent++
	}
	return true
}

// advance sets the time of the next announcement after one at now, and reports
// whether that one was a refresh.
func (s *schedule) advance(now time.Time) (refresh bool) {
	s.step++
	if s.step < len(repeats) {
		s.due = s.begun.Add(repeats[s.step])
		return false
	}
	s.due = now.Add(refreshEvery)
	return s.step > len(repeats)
}
