package sharedip

import (
	"net/netip"
	"slices"
	"time"
	"vipd/sharedip/announce"
	"vipd/sharedip/neighbor"
	"vipd/sharedip/rtnl"
)

const (
	// doubtTime is how long a node that has not been met has to say whether a place
	// is its own. A host's kernel answers in a millisecond, whatever its programs do.
	doubtTime = 200 * time.Millisecond
	// maxDoubts is how many frames may wait for that.
	maxDoubts = 32
)

// unresolvedClaim is a frame that says that a shared address is at a place which is no node's
// so far.
type unresolvedClaim struct {
	neighbor.Observation
	until time.Time
}

// expects reports whether a node that belongs on the interface has not been met there.
func (h *AddressManager) expects(v *rtnl.Host, index int) bool {
	return slices.ContainsFunc(h.nodes.addrs, func(a netip.Addr) bool {
		return rtnl.IsConnected(v, index, a) && !h.nodes.met(index, a)
	})
}

// deferClaim keeps the frame, and asks for the nodes.
func (h *AddressManager) deferClaim(v *rtnl.Host, s neighbor.Observation, now time.Time) {
	known := slices.ContainsFunc(h.unresolvedClaims, func(d unresolvedClaim) bool { return d.Observation == s })
	if known || len(h.unresolvedClaims) == maxDoubts {
		return
	}
	h.unresolvedClaims = append(h.unresolvedClaims, unresolvedClaim{s, now.Add(doubtTime)})
	h.askNeighbours(v, s.Index)
	h.wakeRun()
}

// resolve judges the frames whose place is a node's now, and those that have waited
// long enough. It returns when the next is due (zero: none waits).
func (h *AddressManager) resolve(now time.Time) (events []Event, next time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	waiting := h.unresolvedClaims
	h.unresolvedClaims = nil
	for _, d := range waiting {
		o, ok := h.at(d.Observation)
		switch {
		case !ok:
		case h.nodes.owner(d.Observation).IsValid() || !now.Before(d.until):
			events = append(events, h.reportClaim(d.Observation, o, now)...)
		default:
			h.unresolvedClaims = append(h.unresolvedClaims, d)
			next = announce.Earlier(next, d.until)
		}
	}
	return events, next
}
