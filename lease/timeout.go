package lease

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"vipd/heartbeat/clock"
	"vipd/host/boot"
)

// The kernel counts an element's timeout from when it takes it in, which is a
// little after we have computed it. An allowance is taken off for that; what
// takes longer by more than tardy is written again with a larger one, so that a
// process that was frozen in between gives no life to what has expired.
const (
	allowance = 2 * time.Millisecond // first, doubled with each attempt
	tardy     = 2 * time.Millisecond // the most that a lease can end late
	attempts  = 6                    // the last allows 64 ms
	perBatch  = 128                  // elements of one message and one transaction
)

// liveElement is the element for a lease until that instant, if it has any life.
// Timeouts are whole milliseconds, in the kernel whole ticks of up to 10 ms,
// both rounded down: a lease ends early rather than late.
func liveElement(x lifetime, now clock.Instant) (nftables.SetElement, bool) {
	const longest = 24 * time.Hour
	timeout := min(x.until.Sub(now), longest).Truncate(time.Millisecond)
	return nftables.SetElement{Key: setKey(x.address), Timeout: timeout}, timeout > 0
}

// transact tells the kernel of a part of what changed.
func (r *ruleset) transact(list []lifetime) error {
	gone := 0
	for i := range attempts {
		began, allowed := boot.Now(), allowance<<i
		r.put(list, began.Add(allowed))
		err := r.conn.Flush()
		if errors.Is(err, unix.ENOENT) && gone == 0 {
			gone++
			continue // something timed out between two messages, or all is gone
		}
		if err != nil {
			return fmt.Errorf("renew %d leases: %w", len(list), err)
		}
		if boot.Now().Sub(began) <= allowed+tardy {
			r.tell(list)
			return nil
		}
	}
	r.put(list, clock.Never)
	if err := r.conn.Flush(); err != nil {
		return fmt.Errorf("expire %d leases: %w", len(list), err)
	}
	r.tell(ended(list))
	return fmt.Errorf("renew %d leases: took more than %v, expired them: %w", len(list), allowance<<(attempts-1), errLate)
}

// errLate says that the kernel was so slow that nothing is left of a renewal.
var errLate = errors.New("the kernel was too slow")

// ended is the list with nothing left of any life.
func ended(list []lifetime) []lifetime {
	over := make([]lifetime, 0, len(list))
	for _, x := range list {
		over = append(over, lifetime{address: x.address})
	}
	return over
}

// put queues the messages for a list, counted from now. An element is renewed by
// its removal and a new one; adding it before makes sure that there is one to
// remove.
func (r *ruleset) put(list []lifetime, now clock.Instant) {
	for _, s := range newSets() {
		var all, live []nftables.SetElement
		for _, x := range list {
			if x.address.Is4() != s.ip4 {
				continue
			}
			e, alive := liveElement(x, now)
			if alive {
				live = append(live, e)
			}
			all = append(all, nftables.SetElement{Key: e.Key})
		}
		if len(all) > 0 {
			r.conn.SetAddElements(s.live, all)
			r.conn.SetDeleteElements(s.live, all)
		}
		if len(live) > 0 {
			r.conn.SetAddElements(s.live, live)
		}
	}
}

func inBatches(all []nftables.SetElement, do func([]nftables.SetElement)) {
	for start := 0; start < len(all); start += perBatch {
		do(all[start:min(start+perBatch, len(all))])
	}
}
