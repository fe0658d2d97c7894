package sharedip

import (
	"net/netip"
	"time"
	"vipd/sharedip/neighbor"
)

// recentMost is how many subjects are told of in one span of time.
const recentMost = 8

// recent keeps events from being told over and over. The zero value has told none.
type recent struct {
	since time.Time
	told  [recentMost]subject
	n     int
}

// subject is what an event is about.
type subject struct {
	mac  neighbor.MAC
	addr netip.Addr
}

// first reports whether s has not been told of within span, and notes that it is.
func (r *recent) first(s subject, now time.Time, span time.Duration) bool {
	if now.Sub(r.since) >= span {
		*r = recent{since: now}
	}
	for _, t := range r.told[:r.n] {
		if t == s {
			return false
		}
	}
	if r.n == recentMost {
		return false
	}
	r.told[r.n] = s
	r.n++
	return true
}
