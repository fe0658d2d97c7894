package node

import (
	"time"

	"vipd/heartbeat/clock"
)

// whole says when all claims may be said. Those of many tokens take many messages, each
// of which every peer answers; with a thousand changes in a row they would be all that
// anybody does. Until it is time, beats carry the number of the edition, by which
// whoever lacks it knows that what it has is old.
type whole struct {
	size   int           // claims of one page
	next   clock.Instant // not before
	wanted bool          // a new edition has not been said
}

// pageRest is the time between two editions for each page after the first.
const pageRest = time.Millisecond / 2

// allows reports whether so many claims may be said now, and if so counts it.
func (w *whole) allows(now clock.Instant, claims int) bool {
	if now < w.next {
		return false
	}
	if more := (claims - 1) / w.size; more > 0 {
		w.next = now.Add(time.Duration(more) * pageRest)
	}
	return true
}

// due is when there is an edition to be said.
func (w *whole) due() clock.Instant {
	if w.wanted {
		return w.next
	}
	return clock.Never
}
