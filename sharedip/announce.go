package sharedip

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
	"vipd/sharedip/announce"
	"vipd/sharedip/neighbor"
	"vipd/sharedip/rtnl"

	"golang.org/x/sys/unix"
)

// Announce tells the LAN again where the token's addresses are: at once, after
// 50 ms and after 150 ms, and proves them anew. Run does it; Announce does not wait.
func (h *AddressManager) Announce(name string) {
	if _, p, err := h.stateOf(name); err == nil {
		p.wishes.announce.Store(true)
		h.wakeRun()
	}
}

// Defend announces an address of the token against a claimant whose place is a node's: of
// those this node alone knows whether they may have it. It is held to what any defence is
// (RFC 5227 section 2.4).
func (h *AddressManager) Defend(name string, addr netip.Addr) {
	if _, p, err := h.stateOf(name); err == nil {
		p.wishes.defend.Store(&addr)
		h.wakeRun()
	}
}

// defend wants the address defended.
func (t *token) defend(addr netip.Addr, now time.Time) {
	for _, p := range t.places {
		if p.Prefix.Addr() == addr {
			p.announcer.Claimed(now)
		}
	}
}

// schedule wants all addresses of t announced.
func (t *token) schedule(now time.Time) {
	for _, p := range t.places {
		p.announcer.Begin(now)
	}
}

// wakeRun makes Run look at the schedules.
func (h *AddressManager) wakeRun() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// announceDue sends what is due, for each token after asking its owner, and
// returns when there is more to send (zero: nothing).
func (h *AddressManager) announceDue(now time.Time) (next time.Time) {
	due := h.tenuresDue(now)
	for _, d := range due {
		owned := h.options.Owns(d.name, d.epoch)
		h.emit(h.repeat(d, owned, now))
	}
	return h.nextDue(now)
}

// tenure is a token under one epoch.
type tenure struct {
	name  string
	epoch uint64
}

func (h *AddressManager) tenuresDue(now time.Time) (due []tenure) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range h.tokens {
		if t.wishes.announce.Swap(false) && t.held {
			t.schedule(now)
		}
		if addr := t.wishes.defend.Swap(nil); addr != nil && t.held {
			t.defend(*addr, now)
		}
		if next := t.nextDue(now); !next.IsZero() && !now.Before(next) {
			due = append(due, tenure{t.name, t.epoch})
		}
	}
	return due
}

// repeat sends what one tenure wants, or stops that when its owner has it no
// more. The token may have been dropped or taken anew since the owner was asked.
func (h *AddressManager) repeat(d tenure, owned bool, now time.Time) []Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.tokens[d.name]
	if t == nil || t.epoch != d.epoch || !t.wanted(now) {
		return nil
	}
	if !owned {
		t.stop()
		return nil
	}
	v, err := h.currentHost()
	if err != nil {
		t.postpone(now)
		return nil
	}
	return h.announce(t, v, now)
}

func (h *AddressManager) nextDue(now time.Time) (next time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range h.tokens {
		next = announce.Earlier(next, t.nextDue(now))
	}
	return next
}

// nextDue is when the first address of t has something to send (zero: none). One
// whose lifetime has run out isn't ours to announce.
func (t *token) nextDue(now time.Time) (next time.Time) {
	if !t.wanted(now) {
		return time.Time{}
	}
	for _, p := range t.places {
		next = announce.Earlier(next, p.announcer.Due())
	}
	return next
}

func (t *token) stop() {
	for _, p := range t.places {
		p.announcer.Stop()
	}
}

// postpone is for when the host could not be looked at.
func (t *token) postpone(now time.Time) {
	for _, p := range t.places {
		p.announcer.Postpone(now, announce.RateDelay)
	}
}

// announce sends the announcements, defences and questions of t that are due,
// within the rates.
func (h *AddressManager) announce(t *token, v *rtnl.Host, now time.Time) (events []Event) {
	h.addressees(t, v, now)
	for _, p := range t.places {
		if p.announcer.AnnouncementDue(now) {
			events = append(events, h.announcePlace(t, p, v, allForms, now)...)
		}
		if p.announcer.ProofDue(now) {
			events = append(events, h.prove(t, p, v, now)...)
		}
	}
	return events
}

// announceFirst sends one form of every announcement of t that is due. The rest waits
// for Run, so that the last address of many is not announced so much later than the
// first.
func (h *AddressManager) announceFirst(t *token, v *rtnl.Host, now time.Time) (events []Event) {
	for _, p := range t.places {
		if p.announcer.SeriesDue(now) {
			events = append(events, h.announcePlace(t, p, v, 1, now)...)
		}
	}
	return events
}

// announcePlace announces one address, and tells when that begins to fail.
func (h *AddressManager) announcePlace(t *token, p *place, v *rtnl.Host, most int, now time.Time) (events []Event) {
	err := h.sendOne(p, v, most, now)
	if err != nil && !p.failing {
		events = append(events, AnnounceFailed{t.name, p.Prefix, err})
	}
	p.failing = err != nil
	return events
}

// allForms is more than an announcement has.
const allForms = 8

// sendOne sends the announcement of p, no more than so many of the forms of it that
// are still to be sent.
func (h *AddressManager) sendOne(p *place, v *rtnl.Host, most int, now time.Time) error {
	l, ok := v.LinkByIndex(p.index)
	if !ok {
		p.announcer.Stop() // begun again when the interface is there
		return fmt.Errorf("announce %s: its interface is gone", p.Prefix.Addr())
	}
	if !l.Carrier {
		p.announcer.Stop() // likewise
		return fmt.Errorf("announce %s: %s has no carrier", p.Prefix.Addr(), l.Name)
	}
	frames, err := neighbor.NewAnnouncement(l, p.Prefix.Addr())
	if err != nil {
		p.announcer.Stop()
		return err
	}
	first, n, ok := p.announcer.Forms(now, len(frames), most, &h.limits)
	if !ok {
		h.counters.postponed.Add(1)
		return nil
	}
	for _, f := range frames[first : first+n] {
		err := h.sender.Send(l.Index, f)
		if errors.Is(err, unix.ENOBUFS) {
			p.announcer.Postpone(now, announce.QueueDelay)
			h.counters.postponed.Add(1)
			return nil
		}
		if err != nil {
			p.announcer.Postpone(now, announce.RateDelay)
			return fmt.Errorf("announce %s on %s: %w", p.Prefix.Addr(), l.Name, err)
		}
		h.counters.announced.Add(1)
	}
	if p.announcer.Sent(now, len(frames), n) {
		h.counters.defended.Add(1)
	}
	return nil
}
