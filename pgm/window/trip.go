package window

import "time"

// trip estimates how long a repair takes from the NAK to the RDATA, as TCP
// does (RFC 6298): a smoothed mean and a smoothed distance from it.
type trip struct{ mean, spread time.Duration }

// add takes one repair. When it took several NAKs, d counts from the first:
// too long at worst, which makes the next waits more patient.
func (t *trip) add(d time.Duration) {
	if t.mean == 0 {
		t.mean, t.spread = d, d/2
		return
	}
	t.spread += ((t.mean - d).Abs() - t.spread) / 4
	t.mean += (d - t.mean) / 8
}

// wait is how long to wait for an answer at the first try: the longest before
// anything is known, and never less than a quarter of it.
func (t *trip) wait(longest time.Duration) time.Duration {
	if t.mean == 0 {
		return longest
	}
	return max(longest/4, min(t.mean+4*t.spread, longest))
}

// waitFor is the wait after some tries: doubled with each, up to 16 times the
// longest first wait however short the first was.
func (t *trip) waitFor(tries uint8, longest time.Duration) time.Duration {
	n := min(int(tries), doublings)
	return min(t.wait(longest)<<n, longest<<4)
}
