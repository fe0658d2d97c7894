package sharedip

import (
	"fmt"
	"time"
)

// Announce tells the LAN again where the token's addresses are: three times
// within 150 ms, then as before.
func (h *Hands) Announce(name string) {
	h.mu.Lock()
	if t := h.tokens[name]; t != nil && t.held {
		t.begin(time.Now())
	}
	h.mu.Unlock()
	h.rouse()
}

// begin wants all addresses of t announced.
func (t *token) begin(now time.Time) {
	for _, p := range t.places {
		p.announce.begin(now)
	}
}

// rouse makes Run look at the schedules.
func (h *Hands) rouse() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// announceDue announces what is due, each token after asking its owner, and
// returns when the next announcement is due (zero: none).
func (h *Hands) announceDue(now time.Time) (next time.Time) {
	type tenure struct {
		name  string
		epoch uint64
	}
	var due []tenure
	h.mu.Lock()
	for _, t := range h.tokens {
		if t.due(now) {
			due = append(due, tenure{t.name, t.epoch})
		}
	}
	h.mu.Unlock()
	for _, d := range due {
		owned := h.options.Owns(d.name, d.epoch)
		h.mu.Lock()
		var events []Event
		// The token may have been dropped since, or taken anew.
		if t := h.tokens[d.name]; t != nil && t.held && t.epoch == d.epoch && owned {
			events = h.announce(t, now)
		} else if t != nil && t.epoch == d.epoch {
			t.stop()
		}
		h.mu.Unlock()
		h.tell(events)
	}
	return h.nextDue()
}

// due reports whether an address of t wants to be announced. One whose lifetime
// has run out isn't ours to announce.
func (t *token) due(now time.Time) bool {
	if !t.held || t.expired(now) {
		return false
	}
	for _, p := range t.places {
		if p.announce.wanted(now) {
			return true
		}
	}
	return false
}

func (t *token) stop() {
	for _, p := range t.places {
		p.announce.stop()
	}
}

func (h *Hands) nextDue() (next time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range h.tokens {
		for _, p := range t.places {
			due := p.announce.due
			if t.held && !due.IsZero() && (next.IsZero() || due.Before(next)) {
				next = due
			}
		}
	}
	return next
}

// announce sends the announcements of t that are due, within the rates.
func (h *Hands) announce(t *token, now time.Time) (events []Event) {
	for _, p := range t.places {
		if !p.announce.wanted(now) {
			continue
		}
		err := h.sendOne(p, now)
		if err != nil && !p.failing {
			events = append(events, AnnounceFailed{t.name, p.Prefix, err})
		}
		p.failing = err != nil
	}
	return events
}

func (h *Hands) sendOne(p *place, now time.Time) error {
	v, err := h.look()
	if err != nil {
		return err
	}
	l, ok := v.byIndex(p.index)
	if !ok {
		p.announce.stop() // begun again when the interface is there
		return fmt.Errorf("announce %s: its interface is gone", p.Prefix.Addr())
	}
	if !l.Carrier {
		p.announce.stop() // likewise
		return fmt.Errorf("announce %s: %s has no carrier", p.Prefix.Addr(), l.Name)
	}
	frames, err := announcement(l, p.Prefix.Addr())
	if err != nil {
		p.announce.stop()
		return err
	}
	if !p.announce.allow(now, len(frames), &h.total) {
		h.counters.postponed.Add(1)
		return nil
	}
	for _, f := range frames {
		if err := h.wire.send(l.Index, f); err != nil {
			p.announce.due = now.Add(postponed)
			return fmt.Errorf("announce %s on %s: %w", p.Prefix.Addr(), l.Name, err)
		}
		h.counters.announced.Add(1)
	}
	p.announce.advance(now)
	return nil
}
