package lease

import (
	"context"
	"time"
)

// watchInterval is how often the kernel is asked whether all is in place.
const watchInterval = 500 * time.Millisecond

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
		for _, e := range l.in.audit() {
			if e.Err != nil && failing[e.What] {
				continue
			}
			failing[e.What] = e.Err != nil
			tell(e)
		}
	}
}
