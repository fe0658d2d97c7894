package lease

import (
	"context"
	"time"
)

// watchInterval is how often the kernel is asked whether all is in place: what somebody
// removes is to be back within a second.
const watchInterval = 800 * time.Millisecond

// Watch looks, until ctx ends, whether others took away what enforces the
// leases, puts it back and tells: once, and again when what could not be put
// back is back. It asks rather than listens, since the kernel may lose news
// when much changes, but never answers wrong.
func (l *Leases) Watch(ctx context.Context, tell func(Event)) {
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	failing := make(map[string]bool)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for _, e := range toTell(l.in.audit(), failing) {
			tell(e)
		}
	}
}

// toTell is what is new of an audit's events. What failed before and is not among them is
// in place again, or never was away but could not be looked at.
func toTell(audited []Event, failing map[string]bool) (news []Event) {
	seen := make(map[string]bool)
	for _, e := range audited {
		seen[e.What] = true
		if e.Err != nil && failing[e.What] {
			continue
		}
		if failing[e.What] = e.Err != nil; e.Err == nil {
			delete(failing, e.What)
		}
		news = append(news, e)
	}
	for what := range failing {
		if !seen[what] {
			delete(failing, what)
			news = append(news, Event{What: what})
		}
	}
	return news
}
