package sharedip

import (
	"net/netip"
	"slices"
	"sync/atomic"
	"time"
	"vipd/sharedip/announce"
	"vipd/sharedip/neighbor"
	"vipd/sharedip/rtnl"
)

const (
	// earRest is how long an interface on which something was heard isn't listened
	// to: one frame in that time is enough to know, and each begins and ends with a
	// filter that the kernel has to translate.
	earRest = 2 * time.Second
	// quiet is how long nothing is heard where it is listened before neighbours are
	// asked so often, to make them speak.
	quiet = 500 * time.Millisecond
	// askUnknown is how often they are asked while a node's hardware address isn't
	// known, and askAround otherwise: a node may have a new card.
	askUnknown = time.Second
	askAround  = 10 * time.Second
)

// linkTraffic is what is known of the traffic on one interface.
type linkTraffic struct {
	last   atomic.Pointer[time.Time] // heard; nil: nothing since it has a carrier
	around time.Time                 // when neighbours were asked last
}

// heard is when something was heard last; zero: nothing since it has a carrier.
func (e *linkTraffic) heard() time.Time {
	if at := e.last.Load(); at != nil {
		return *at
	}
	return time.Time{}
}

// Heard is when a frame of another host was last seen on the interface of the
// token's addresses, on the one with the longest silence if they are on several.
// It is up to 2.1 s too early, never too late, and zero if nothing was seen since
// the carrier came: a switch that doesn't forward yet says much, but only of its
// own (bridge protocols), and that doesn't count. Where it is quiet, the other
// nodes and the gateway are asked for, twice a second, so that they are heard. While
// Run runs it does not wait.
func (h *AddressManager) Heard(name string) time.Time {
	o, p, err := h.stateOf(name)
	if err != nil || len(p.placements) == 0 {
		return time.Time{}
	}
	heard := time.Now()
	for _, s := range p.placements {
		e := o.ears[s.index]
		if e == nil {
			return time.Time{}
		}
		if at := e.heard(); at.Before(heard) {
			heard = at
		}
	}
	return heard
}

// listen makes the interfaces in use that have a carrier the ones that are
// listened to; those that changed have heard nothing yet.
func (h *AddressManager) listen(changed map[int]bool) {
	for index := range h.traffic {
		if changed[index] || !h.carries(index) {
			delete(h.traffic, index)
		}
	}
	for _, l := range h.states {
		if l.Carrier && h.traffic[l.Index] == nil {
			h.traffic[l.Index] = &linkTraffic{}
		}
	}
}

func (h *AddressManager) carries(index int) bool {
	for _, l := range h.states {
		if l.Index == index {
			return l.Carrier
		}
	}
	return false
}

// watchTraffic listens where that is due and asks around where that is, and returns when
// there is more to do (zero: nothing).
func (h *AddressManager) watchTraffic(now time.Time) (next time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	next = h.openFilter(now)
	v, err := h.currentHost()
	if err != nil {
		return next
	}
	for index, e := range h.traffic {
		due := e.around.Add(h.askInterval(v, index, now))
		if !now.Before(due) {
			h.askNeighbours(v, index)
			e.around = now
			due = now.Add(quiet)
		}
		next = announce.Earlier(next, due)
	}
	return next
}

// askInterval is how long after one question around the next may be due.
func (h *AddressManager) askInterval(v *rtnl.Host, index int, now time.Time) time.Duration {
	if now.Sub(h.traffic[index].heard()) >= earRest+quiet {
		return quiet
	}
	if h.expects(v, index) {
		return askUnknown
	}
	return askAround
}

// openFilter lets the first frame pass of each interface whose ear has rested.
func (h *AddressManager) openFilter(now time.Time) (next time.Time) {
	var open []int
	for index, e := range h.traffic {
		rested := e.heard().Add(earRest)
		if now.Before(rested) {
			next = announce.Earlier(next, rested)
			continue
		}
		open = append(open, index)
	}
	slices.Sort(open)
	if !slices.Equal(open, h.open) && h.trafficReader.SetFilter(neighbor.ForwardedProgram(open)) == nil {
		h.open = open
	}
	return next
}

// noteTraffic notes a frame that an open ear let pass.
func (h *AddressManager) noteTraffic(a neighbor.ReceivedFrame, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := h.traffic[a.Index]
	v, err := h.currentHost()
	source, ok := a.Source()
	if e == nil || err != nil || !ok || v.HasMAC(source) {
		return
	}
	e.last.Store(&now)
	h.openFilter(now)
	h.wakeRun()
}

// askNeighbours asks on one interface for the other nodes, the gateways and who
// else is to prove, as any host does, from an address of this node.
func (h *AddressManager) askNeighbours(v *rtnl.Host, index int) {
	l, ok := v.LinkByIndex(index)
	if !ok || !l.Ethernet {
		return
	}
	for _, a := range h.neighbours(v, index) {
		f, err := h.greeting(v, l, a)
		if err == nil {
			h.sender.Send(index, f) // one that is lost is made good by the next
		}
	}
}

// greeting is the question for a neighbour from this node.
func (h *AddressManager) greeting(v *rtnl.Host, l rtnl.Link, addr netip.Addr) (neighbor.Frame, error) {
	for _, a := range v.Addresses {
		if a.Index == l.Index && a.Prefix.Contains(addr) && slices.Contains(h.options.Own, a.Prefix.Addr()) {
			return neighbor.NewQuestion(l, a.Prefix.Addr(), addr)
		}
	}
	return neighbor.NewProbe(l, probeSource(v, l.Index, h.options.Own), addr)
}

// neighbours lists whom an interface's networks may be asked for.
func (h *AddressManager) neighbours(v *rtnl.Host, index int) (list []netip.Addr) {
	for _, a := range h.nodes.addrs {
		if rtnl.IsConnected(v, index, a) {
			list = append(list, a)
		}
	}
	for _, six := range []bool{false, true} {
		if g, err := h.kernel.Gateway(rtnl.RouterQuery{Index: index, IPv6: six}); err == nil && g.IsValid() {
			list = append(list, g)
		}
	}
	for _, t := range h.tokens {
		for _, a := range t.prove {
			if rtnl.IsConnected(v, index, a) && !slices.Contains(list, a) && len(list) < maxListened {
				list = append(list, a)
			}
		}
	}
	return list
}
