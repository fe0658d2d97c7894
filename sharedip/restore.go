package sharedip

import (
	"errors"
	"fmt"
	"time"
	"vipd/sharedip/rtnl"

	"golang.org/x/sys/unix"
)

const (
	// fightRemovals of one address within fightTime are a fight.
	fightRemovals = 10
	fightTime     = 10 * time.Second
)

// addressChanged puts back a shared address that went. It reports whether the
// news is of what this room did, or may put back: other news changes what we know of
// the host.
func (h *AddressManager) addressChanged(n rtnl.Notice, now time.Time) (events []Event, shared bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	o, shared := h.owner(n.Address.Prefix.Addr(), n.Address.Index)
	if !shared || !n.Address.Prefix.IsSingleIP() || n.Address.Index != o.place.index {
		return nil, false
	}
	if n.Kind == rtnl.AddressAdded {
		return nil, o.token.held && n.Address.IsShared()
	}
	if !o.token.wanted(now) {
		return nil, h.standingTold[o.token.name] == nil
	}
	// An interface that is set down or deleted loses addresses too. It gets them
	// back when it returns.
	if l, err := h.kernel.Link(o.place.index); err != nil || !l.Up {
		o.place.gone = true
		return nil, true
	}
	restored, events := h.restore(o.token, []*place{o.place}, now)
	return append(events, h.removed(o.token, restored, now)...), true
}

// wanted reports whether the token's addresses are to be put back.
func (t *token) wanted(now time.Time) bool { return t.held && !t.fought && !t.expired(now) }

// restore adds the places that the kernel has no more, and returns those that
// were missing: news of a removal may be older than the address. They get what
// is left of their lifetime in whole seconds, so that putting back is not
// renewing; with less than one left it is Renew's turn.
func (h *AddressManager) restore(t *token, places []*place, now time.Time) (restored []*place, events []Event) {
	left := t.until.Sub(now) / time.Second
	if left == 0 || len(places) == 0 {
		return nil, nil
	}
	v, err := h.currentHost()
	if err == nil {
		err = h.guard(t, v, places)
	}
	if err != nil {
		return nil, lostAll(t, places, err)
	}
	said, err := h.kernel.Add(changes(places), rtnl.OnlyMissing, uint32(left))
	if t.expired(time.Now()) { // this process may have been frozen meanwhile
		h.remove(places)
		return nil, nil
	}
	for i, e := range said {
		p := places[i]
		switch e = errors.Join(e, err); {
		case e == nil:
			h.counters.putBack.Add(1)
			restored = append(restored, p)
			p.announcer.Begin(now)
		case !errors.Is(e, unix.EEXIST):
			events = append(events, AddressLost{t.name, p.Prefix, fmt.Errorf("put back: %w", e)})
		}
	}
	return restored, events
}

// lostAll says that none of the places could be put back.
func lostAll(t *token, places []*place, err error) (events []Event) {
	for _, p := range places {
		events = append(events, AddressLost{t.name, p.Prefix, fmt.Errorf("put back: %w", err)})
	}
	return events
}

// removed counts removals by someone else, and gives up in a fight.
func (h *AddressManager) removed(t *token, places []*place, now time.Time) (events []Event) {
	for _, p := range places {
		p.removals = append(p.removals, now)
		for now.Sub(p.removals[0]) > fightTime {
			p.removals = p.removals[1:]
		}
		events = append(events, AddressGone{t.name, p.Prefix, len(p.removals)})
		if len(p.removals) >= fightRemovals && !t.fought {
			t.fought = true
			events = append(events, Fought{t.name})
		}
	}
	return events
}

// refresh reads the host again: where the addresses belong, which links carry a
// signal. It puts back what is missing on interfaces that changed, and announces
// it there. With lost set, news was lost: whatever is missing was removed.
func (h *AddressManager) refresh(now time.Time, lost bool) (events []Event, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen = nil
	v, err := h.currentHost()
	if err != nil {
		return nil, err
	}
	moved := h.relocate(v)
	events, changed := h.compare(v)
	h.listen(changed)
	for _, t := range h.tokens {
		if t.wanted(now) {
			again := t.where(func(p *place) bool { return p.gone || moved[p] || changed[p.index] })
			events = append(events, h.mend(t, v, again, lost, now)...)
		}
	}
	if len(changed) > 0 || len(moved) > 0 {
		h.reconnect(v) // Renew says what fails
	}
	h.disconnect(v)
	events = append(events, h.stand(v)...)
	h.prejoin(v)
	h.publish(v)
	return events, nil
}

// mend puts back the places that went with their interface, with lost all that
// are missing, and announces them again.
func (h *AddressManager) mend(t *token, v *rtnl.Host, again []*place, lost bool, now time.Time) []Event {
	check := again
	if lost {
		check = t.places
	}
	check = onUpLinks(v, check)
	restored, events := h.restore(t, check, now)
	if lost {
		events = append(events, h.removed(t, restored, now)...)
	}
	for _, p := range check {
		p.gone = false
	}
	for _, p := range again {
		p.announcer.Begin(now)
	}
	return events
}

func (t *token) where(is func(*place) bool) (places []*place) {
	for _, p := range t.places {
		if is(p) {
			places = append(places, p)
		}
	}
	return places
}

// onUpLinks returns the places whose interface is set up: on another IPv6 takes none.
func onUpLinks(v *rtnl.Host, places []*place) (on []*place) {
	for _, p := range places {
		if l, ok := v.LinkByIndex(p.index); ok && l.Up {
			on = append(on, p)
		}
	}
	return on
}
