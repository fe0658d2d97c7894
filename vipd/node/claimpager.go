package node

import (
	"time"

	"vipd/heartbeat/clock"
)

// claimPager says when all claims may be said. Those of many tokens take many messages, each
// of which every peer answers; with a thousand changes in a row they would be all that
// anybody does. Until it is time, beats carry the number of the edition, by which
// whoever lacks it knows that what it has is old.
type claimPager struct {
	size   int           // claims of one page
	next   clock.Instant // not before
	wanted bool          // a new edition has not been said
}

// pagePause is the time between two editions for each page after the first.
const pagePause = time.Millisecond / 2

// permits reports whether so many claims may be said now, and if so counts it.
func (w *claimPager) permits(now clock.Instant, claims int) bool {
	if now < w.next {
		return false
	}
	if more := (claims - 1) / w.size; more > 0 {
		w.next = now.Add(time.Duration(more) * pagePause)
	}
	return true
}

// due is when there is an edition to be said.
func (w *claimPager) due() clock.Instant {
	if w.wanted {
		return w.next
	}
	return clock.Never
}
