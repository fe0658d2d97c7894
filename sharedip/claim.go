package sharedip

import (
	"net"
	"slices"
	"time"
	"vipd/sharedip/neighbor"
	"vipd/sharedip/rtnl"
)

// The shortest times between two events about the same.
const (
	answeredEvery = 100 * time.Millisecond // without an Ask
	probedEvery   = time.Millisecond
	claimedEvery  = time.Second
)

// observed takes in what a frame said.
func (h *AddressManager) observed(s neighbor.Observation, now time.Time) []Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	v, err := h.currentHost()
	if err != nil || v.HasMAC(s.MAC) {
		return nil
	}
	if slices.Contains(h.nodes.addrs, s.Addr) && s.Kind <= neighbor.Reply {
		h.nodes.learn(s, now)
	}
	switch s.Kind {
	case neighbor.Traffic:
		return h.onTraffic(s, now)
	case neighbor.Probe:
		return h.onProbe(s, now)
	case neighbor.Reply:
		return append(h.onClaim(v, s, now), h.onReply(s, now)...)
	}
	return h.onClaim(v, s, now)
}

// at finds the shared address that is, or would be, on that interface.
func (h *AddressManager) at(s neighbor.Observation) (owner, bool) {
	o, ok := h.owner(s.Addr, s.Index)
	return o, ok && o.place.index == s.Index
}

// onClaim is for a frame that says that a shared address is elsewhere. While a node has
// not been met on that interface, a place that is no node's may be that node's: it is
// asked for, and the frame is judged a little later.
func (h *AddressManager) onClaim(v *rtnl.Host, s neighbor.Observation, now time.Time) []Event {
	o, ok := h.at(s)
	switch {
	case !ok:
		return nil
	case !h.nodes.owner(s).IsValid() && h.expects(v, s.Index):
		h.deferClaim(v, s, now)
		return nil
	}
	return h.reportClaim(s, o, now)
}

// reportClaim says who has the address.
func (h *AddressManager) reportClaim(s neighbor.Observation, o owner, now time.Time) (events []Event) {
	t, p := o.token, o.place
	by := h.nodes.owner(s)
	mac := net.HardwareAddr(slices.Clone(s.MAC[:]))
	if n := t.wishes.asks.Load(); n != t.asked {
		t.said, t.asked = recent{}, n
	}
	if t.said.first(subject{mac: s.MAC}, now, answeredEvery) {
		events = append(events, Answered{t.name, p.Prefix, mac, by, now})
	}
	held := t.wanted(now)
	if (held || !by.IsValid()) && t.alarms.first(subject{s.MAC, s.Addr}, now, claimedEvery) {
		events = append(events, Claimed{t.name, p.Prefix, mac, by})
	}
	if held && !by.IsValid() && len(h.nodes.addrs) > 0 {
		p.announcer.Claimed(now)
		h.wakeRun()
	}
	return events
}

// onProbe is for a question that only who wants the address asks.
func (h *AddressManager) onProbe(s neighbor.Observation, now time.Time) []Event {
	o, ok := h.at(s)
	by := h.nodes.owner(s)
	if !ok || !by.IsValid() || !o.token.probed.first(subject{mac: s.MAC}, now, probedEvery) {
		return nil
	}
	return []Event{PeerAsks{o.token.name, by, now}}
}
