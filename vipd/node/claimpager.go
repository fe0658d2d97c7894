package node

import (
	"time"

	"vipd/heartbeat/clock"
)

// claimPager says when all claims may be sent. Those of many tokens take many messages, and
// every peer answers each of them; a thousand changes in a row would leave no time for other
// messages. Until then beats carry the number of the revision, which tells a peer that its
// claims are old.
type claimPager struct {
	size   int           // claims of one page
	next   clock.Instant // not before
	wanted bool          // a new revision has not been said
}

// pagePause is the time between two revisions for each page after the first.
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

// due is when there is a revision to be said.
func (w *claimPager) due() clock.Instant {
	if w.wanted {
		return w.next
	}
	return clock.Never
}
