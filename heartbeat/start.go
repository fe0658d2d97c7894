package heartbeat

import "math"

// NextStart returns the start counter of a node that starts, and the number that its disk
// has to keep before the first message: the next start is above it. last is the number on
// the disk, 0 without one; floor is the least counter by the time of day, 0 if the clock is
// not trusted.
//
// A node that has neither seals without a counter, for it does not know its earlier ones:
// its session has to prove itself. Only that once: if the holder can't hear a start without
// a counter, it does not know that start to be later than the session before, so it would
// keep its lease beside a node that takes.
func NextStart(last, floor uint64) (start, keep uint64) {
	switch {
	case last == math.MaxUint64:
		return 0, last
	case last == 0 && floor == 0:
		return 0, 1
	case last == 0:
		return floor, floor
	}
	start = max(last+1, floor)
	return start, start
}
