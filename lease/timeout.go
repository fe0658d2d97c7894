package lease

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"vipd/heartbeat/clock"
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
func liveElement(address netip.Addr, until, now clock.Instant) (nftables.SetElement, bool) {
	const longest = 24 * time.Hour
	timeout := min(until.Sub(now), longest).Truncate(time.Millisecond)
	return nftables.SetElement{Key: setKey(address), Timeout: timeout}, timeout > 0
}

// write renews and expires, a part in each transaction.
func (r *ruleset) write(rs []Renewal) error {
	first := store(rs)
	for start := 0; start < len(rs); start += perBatch {
		err := r.transact(rs[start:min(start+perBatch, len(rs))])
		if err != nil && first == nil {
			first = err
		}
	}
	return first
}

func (r *ruleset) transact(rs []Renewal) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range attempts {
		began, allowed := bootNow(), allowance<<i
		r.put(rs, began.Add(allowed))
		err := r.conn.Flush()
		if errors.Is(err, unix.ENOENT) {
			continue // something timed out between two messages
		}
		if err != nil {
			return fmt.Errorf("renew %d leases: %w", len(rs), err)
		}
		if bootNow().Sub(began) <= allowed+tardy {
			return nil
		}
	}
	r.put(rs, clock.Never)
	if err := r.conn.Flush(); err != nil {
		return fmt.Errorf("expire %d leases: %w", len(rs), err)
	}
	return fmt.Errorf("renew %d leases: took more than %v, expired them", len(rs), allowance<<(attempts-1))
}

// put queues the messages for the renewals, counted from now. An element is renewed by
// its removal and a new one; adding it before makes sure that there is one to
// remove.
func (r *ruleset) put(rs []Renewal, now clock.Instant) {
	for _, s := range newSets() {
		var all, live []nftables.SetElement
		for _, each := range rs {
			address := each.Lease.address
			if cell := r.cells[address]; cell == nil || address.Is4() != s.ip4 {
				continue
			}
			e, alive := liveElement(address, each.Until, now)
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
