package sharedip

import (
	"net/netip"
	"slices"
	"time"
	"vipd/sharedip/neighbor"
	"vipd/sharedip/rtnl"
)

const (
	// maxProvers is the most neighbours asked from one address, beside the gateway.
	maxProvers = 8
	// maxListened is the most neighbours whose answers are listened for.
	maxListened = 1024
)

// addressees finds out who is to be asked from the addresses of t whose proofs
// begin, and listens for them.
func (h *AddressManager) addressees(t *token, v *rtnl.Host, now time.Time) {
	gateways := make(map[rtnl.RouterQuery]netip.Addr)
	for _, p := range t.places {
		if !p.announcer.ProofBegins(now) {
			continue
		}
		list := h.provers(t, p, v, gateways)
		p.announcer.SetNeighbors(list)
		h.untuned = h.untuned || p.announcer.Passive()
		h.listenFor(list)
	}
}

// provers is the gateway and the named neighbours of one address.
func (h *AddressManager) provers(t *token, p *place, v *rtnl.Host, gateways map[rtnl.RouterQuery]netip.Addr) (list []netip.Addr) {
	addr := p.Prefix.Addr()
	key := rtnl.RouterQuery{Index: p.index, IPv6: addr.Is6()}
	gateway, known := gateways[key]
	if !known {
		gateway, _ = h.kernel.Gateway(key) // without a route there is none
		gateways[key] = gateway
	}
	if gateway.IsLinkLocalUnicast() || rtnl.OneNetwork(v, p.index, addr, gateway) {
		list = append(list, gateway)
	}
	for _, a := range t.prove {
		if a.Is4() == addr.Is4() && a != addr && !slices.Contains(list, a) && len(list) <= maxProvers {
			list = append(list, a)
		}
	}
	return list
}

// prove sends the questions of one address that are due, or ends them.
func (h *AddressManager) prove(t *token, p *place, v *rtnl.Host, now time.Time) (events []Event) {
	l, ok := v.LinkByIndex(p.index)
	if !ok || !l.Carrier || !l.Ethernet {
		p.announcer.StopProof() // begun again when the interface is there
		return nil
	}
	passive := p.announcer.Passive()
	step := p.announcer.Prove(now, &h.limits)
	h.untuned = h.untuned || step.Over && passive
	for _, a := range step.Silent {
		events = append(events, Unproved{t.name, p.Prefix, a})
	}
	if step.Announce {
		h.announceForm(l, p, step.Form)
	}
	for _, a := range step.Ask {
		if q, err := neighbor.NewQuestion(l, p.Prefix.Addr(), a); err == nil && h.sender.Send(l.Index, q) == nil {
			h.counters.asked.Add(1)
		}
	}
	return events
}

// announceForm announces the address in one form.
func (h *AddressManager) announceForm(l rtnl.Link, p *place, form int) {
	frames, err := neighbor.NewAnnouncement(l, p.Prefix.Addr())
	if err == nil && h.sender.Send(l.Index, frames[form%len(frames)]) == nil {
		h.counters.announced.Add(1)
	}
}

// onReply is for an answer to a question: to one of ours that was asked from a
// shared address, and sent to our card, it is the proof.
func (h *AddressManager) onReply(s neighbor.Observation, now time.Time) []Event {
	o, ok := h.owner(s.Peer, s.Index)
	if !ok || !s.ToThisCard || o.place.index != s.Index || !o.token.wanted(now) {
		return nil
	}
	took, news := o.place.announcer.Answered(s.Addr, now)
	if !news {
		return nil
	}
	return []Event{Proved{o.token.name, o.place.Prefix, s.Addr, took}}
}

// onTraffic is for a packet that somebody sent to a shared address, on our card.
func (h *AddressManager) onTraffic(s neighbor.Observation, now time.Time) []Event {
	o, ok := h.at(s)
	if !ok || !o.token.wanted(now) || !o.place.announcer.Passive() {
		return nil
	}
	took, news := o.place.announcer.PacketCame(now)
	h.untuned = true
	h.wakeRun()
	if !news {
		return nil
	}
	return []Event{Proved{o.token.name, o.place.Prefix, s.Peer, took}}
}
