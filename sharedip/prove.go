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
	// proveTime is when whoever has not answered is given up until the refresh.
	proveTime = 5 * time.Second
	// announcedWith is the first question that comes with an announcement, of one
	// form: until then the series of announcements is under way.
	announcedWith = 4
)

// questions are the times of the questions, counted from the first. Whoever was
// missed by an announcement is asked soon after the next.
var questions = [...]time.Duration{
	0, 20 * time.Millisecond, 60 * time.Millisecond, 160 * time.Millisecond, 400 * time.Millisecond,
	900 * time.Millisecond, 1900 * time.Millisecond, 2900 * time.Millisecond, 3900 * time.Millisecond,
}

// proof is the way to the certainty that neighbours know where an address is. They
// are asked from the address itself: whoever sends the answer to our card has our
// card in its cache, and if it had not before, learned it from the question (RFC
// 826, RFC 4861 section 7.2.3).
type proof struct {
	due     time.Time // zero: nothing is under way
	begun   time.Time
	step    int          // of questions
	fresh   bool         // whoever answers is told of
	passive bool         // nobody is there to be asked: any packet to the address proves
	silent  []netip.Addr // who has not answered
	failed  []netip.Addr // who had not when proveTime was over; zero: nobody to ask
}

// begin proves anew, from now on.
func (p *proof) begin(now time.Time) {
	*p = proof{due: now, begun: now, fresh: true, failed: p.failed}
}

// refresh proves again, and tells only what changed.
func (p *proof) refresh(now time.Time) {
	p.begin(now)
	p.fresh = false
}

func (p *proof) stop() { *p = proof{} }

func (p *proof) wanted(now time.Time) bool { return !p.due.IsZero() && !now.Before(p.due) }

// answered notes that a neighbour knows, and reports whether that is to be told.
func (p *proof) answered(by netip.Addr) (tell bool) {
	i := slices.Index(p.silent, by)
	if i < 0 {
		return false
	}
	p.silent = slices.Delete(p.silent, i, i+1)
	if len(p.silent) == 0 {
		p.due = time.Time{}
	}
	return p.succeeded(by)
}

// succeeded takes a neighbour off the list of those that failed.
func (p *proof) succeeded(by netip.Addr) (tell bool) {
	i := slices.Index(p.failed, by)
	if i >= 0 {
		p.failed = slices.Delete(p.failed, i, i+1)
	}
	return p.fresh || i >= 0
}

// giveUp ends the questions and returns who failed anew.
func (p *proof) giveUp() (news []netip.Addr) {
	missing := p.silent
	if p.passive {
		missing = []netip.Addr{{}}
	}
	for _, a := range missing {
		if p.fresh || !slices.Contains(p.failed, a) {
			news = append(news, a)
		}
	}
	p.failed = missing
	p.due, p.passive, p.silent = time.Time{}, false, nil
	return news
}

// addressees finds out who is to be asked from the addresses of t whose proofs
// begin, and listens for them.
func (h *Hands) addressees(t *token, v *rtnl.Host, now time.Time) {
	gateways := make(map[rtnl.RouterQuery]netip.Addr)
	for _, p := range t.places {
		if !p.proof.wanted(now) || p.proof.step > 0 {
			continue
		}
		p.proof.silent = h.provers(t, p, v, gateways)
		p.proof.passive = len(p.proof.silent) == 0
		h.untuned = h.untuned || p.proof.passive
		h.listenFor(p.proof.silent)
	}
}

// provers is the gateway and the named neighbours of one address.
func (h *Hands) provers(t *token, p *place, v *rtnl.Host, gateways map[rtnl.RouterQuery]netip.Addr) (list []netip.Addr) {
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
func (h *Hands) prove(t *token, p *place, v *rtnl.Host, now time.Time) (events []Event) {
	f := &p.proof
	l, ok := v.LinkByIndex(p.index)
	if !ok || !l.Carrier || !l.Ethernet {
		f.stop() // begun again when the interface is there
		return nil
	}
	if now.Sub(f.begun) >= proveTime {
		h.untuned = h.untuned || f.passive
		for _, a := range f.giveUp() {
			events = append(events, Unproved{t.name, p.Prefix, a})
		}
		return events
	}
	disputed := p.defence.disputed(now)
	if len(f.silent) > 0 && !h.questions.take(now, len(f.silent)) {
		f.due = now.Add(postponed)
		return nil
	}
	if f.step >= announcedWith && !disputed {
		h.otherForm(l, p, now)
	}
	for _, a := range f.silent {
		if q, err := neighbor.NewQuestion(l, p.Prefix.Addr(), a); err == nil && h.wire.Send(l.Index, q) == nil {
			h.counters.asked.Add(1)
		}
	}
	f.step++
	f.due = f.begun.Add(proveTime)
	if f.step < len(questions) && !f.passive && !disputed {
		f.due = f.begun.Add(questions[f.step])
	}
	return nil
}

// otherForm announces the address in one form, each time the other.
func (h *Hands) otherForm(l rtnl.Link, p *place, now time.Time) {
	frames, err := neighbor.NewAnnouncement(l, p.Prefix.Addr())
	if err != nil || !p.announce.room(now, 1, &h.total) {
		return
	}
	if h.wire.Send(l.Index, frames[(p.proof.step+1)%len(frames)]) == nil {
		h.counters.announced.Add(1)
	}
}

// replied is for an answer to a question: to one of ours that was asked from a
// shared address, and sent to our card, it is the proof.
func (h *Hands) replied(s neighbor.Observation, now time.Time) []Event {
	o, ok := h.owner(s.Peer, s.Index)
	if !ok || !s.ToThisCard || o.place.index != s.Index || !o.token.wanted(now) {
		return nil
	}
	f := &o.place.proof
	begun := f.begun
	if !f.answered(s.Addr) {
		return nil
	}
	return []Event{Proved{o.token.name, o.place.Prefix, s.Addr, now.Sub(begun)}}
}

// carried is for a packet that somebody sent to a shared address, on our card.
func (h *Hands) carried(s neighbor.Observation, now time.Time) []Event {
	o, ok := h.at(s)
	if !ok || !o.token.wanted(now) || !o.place.proof.passive {
		return nil
	}
	f := &o.place.proof
	f.passive, f.due, h.untuned = false, time.Time{}, true
	h.rouse()
	if !f.succeeded(netip.Addr{}) {
		return nil
	}
	return []Event{Proved{o.token.name, o.place.Prefix, s.Peer, now.Sub(f.begun)}}
}
