package sharedip

import (
	"net/netip"
	"slices"
	"time"
	"vipd/sharedip/neighbor"
)

const (
	// maxPeers is how many addresses of other nodes are looked at: 32 nodes,
	// both families, and as many again.
	maxPeers = 128
	// stationsEach is how many hardware addresses one such address may have: a
	// node with several cards on one LAN may answer from each.
	stationsEach = 4
)

// nodes knows which hardware addresses are the other nodes' own, from what they
// say of their own addresses. It never forgets one for its age: a node that comes
// back after hours is no stranger.
type nodes struct {
	addrs []netip.Addr
	known []acquaintance
}

// acquaintance is one of a node's own addresses at one place.
type acquaintance struct {
	index int // of the interface from which it was seen
	mac   neighbor.MAC
	addr  netip.Addr
	seen  time.Time
}

func newNodes(addrs []netip.Addr) nodes { return nodes{addrs: addrs[:min(len(addrs), maxPeers)]} }

// learn notes that a node's own address is there, in place of the one that said
// so longest ago if there are too many.
func (n *nodes) learn(s neighbor.Observation, now time.Time) {
	here := acquaintance{s.Index, s.MAC, s.Addr, now}
	i := slices.IndexFunc(n.known, func(a acquaintance) bool {
		return a.index == s.Index && a.mac == s.MAC && a.addr == s.Addr
	})
	switch {
	case i >= 0:
		n.known[i] = here
	case len(n.known) < stationsEach*len(n.addrs):
		n.known = append(n.known, here)
	default:
		n.known[n.oldest()] = here
	}
}

func (n *nodes) oldest() (oldest int) {
	for i, a := range n.known {
		if a.seen.Before(n.known[oldest].seen) {
			oldest = i
		}
	}
	return oldest
}

// owner is the node's own address at the place of s, of its family if it has one,
// and zero if the place is no node's.
func (n *nodes) owner(s neighbor.Observation) (found netip.Addr) {
	for _, a := range n.known {
		if a.index == s.Index && a.mac == s.MAC && (!found.IsValid() || a.addr.Is4() == s.Addr.Is4()) {
			found = a.addr
		}
	}
	return found
}

// met reports whether a place of that node's address is known there.
func (n *nodes) met(index int, addr netip.Addr) bool {
	return slices.ContainsFunc(n.known, func(a acquaintance) bool { return a.index == index && a.addr == addr })
}
