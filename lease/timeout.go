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
// little after we have computed it. allowance is taken off for that; what takes
// longer than tardy is written again, so that a process that was frozen in
// between gives no life to what has expired.
const (
	allowance = 2 * time.Millisecond
	tardy     = 4 * time.Millisecond
	attempts  = 5
	perBatch  = 256 // elements of one message, whose length is 16 bits
)

// liveElement is the element for a lease until that instant, if it has any life.
// Timeouts are whole milliseconds, in the kernel whole ticks of up to 10 ms,
// both rounded down: a lease ends early rather than late.
func liveElement(address netip.Addr, until, now clock.Instant) (nftables.SetElement, bool) {
	timeout := until.Sub(now) - allowance
	const longest = 24 * time.Hour
	e := nftables.SetElement{Key: address.AsSlice(), Timeout: min(timeout, longest).Truncate(time.Millisecond)}
	return e, timeout >= time.Millisecond
}

// write renews and expires in one transaction.
func (r *ruleset) write(rs []Renewal) error {
	first := store(rs)
	r.mu.Lock()
	defer r.mu.Unlock()
	for range attempts {
		began := bootNow()
		r.put(rs, began)
		err := r.conn.Flush()
		if errors.Is(err, unix.ENOENT) {
			continue // something timed out between two messages
		}
		if err != nil {
			return fmt.Errorf("renew %d leases: %w", len(rs), err)
		}
		if bootNow().Sub(began) <= tardy {
			return first
		}
	}
	r.put(rs, clock.Never)
	if err := r.conn.Flush(); err != nil {
		return fmt.Errorf("expire %d leases: %w", len(rs), err)
	}
	return fmt.Errorf("renew %d leases: took more than %v, expired them", len(rs), tardy)
}

// put queues the messages for the renewals, as of now. An element is renewed by
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
		inBatches(all, func(part []nftables.SetElement) {
			r.conn.SetAddElements(s.live, part)
			r.conn.SetDeleteElements(s.live, part)
		})
		inBatches(live, func(part []nftables.SetElement) { r.conn.SetAddElements(s.live, part) })
	}
}

func inBatches(all []nftables.SetElement, do func([]nftables.SetElement)) {
	for start := 0; start < len(all); start += perBatch {
		do(all[start:min(start+perBatch, len(all))])
	}
}
