package sharedip

import (
	"net/netip"
	"time"
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
	known map[station]acquaintance
}

// station is a hardware address as seen from one interface.
type station struct {
	index int
	mac   hardware
}

type acquaintance struct {
	addr netip.Addr
	seen time.Time
}

func newNodes(addrs []netip.Addr) nodes {
	return nodes{addrs: addrs[:min(len(addrs), maxPeers)], known: make(map[station]acquaintance)}
}

// learn notes that a node's own address is there, in place of the one that said
// so longest ago if there are too many.
func (n *nodes) learn(at station, addr netip.Addr, now time.Time) {
	n.known[at] = acquaintance{addr, now}
	if len(n.known) <= stationsEach*len(n.addrs) {
		return
	}
	oldest := at
	for s, a := range n.known {
		if a.seen.Before(n.known[oldest].seen) {
			oldest = s
		}
	}
	delete(n.known, oldest)
}

// owner is the node's own address whose hardware address it is, zero if none's.
func (n *nodes) owner(at station) netip.Addr { return n.known[at].addr }
