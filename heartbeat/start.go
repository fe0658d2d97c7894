package heartbeat

import "math"

// NextStart returns the start counter of a node that starts, and what its disk has to keep
// before the first message: the next start is above that. last is what the disk kept, 0 if
// nothing; floor is the least counter by the time of day, 0 where the clock is not trusted.
//
// A node that has neither seals without a counter, for it does not know what it used before:
// its session has to prove itself. Only that once: a start without a counter that the holder
// can't be heard by is not known to be later than the session before, so the holder would
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
