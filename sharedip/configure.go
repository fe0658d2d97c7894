package sharedip

import (
	"errors"
	"slices"
	"time"
	"vipd/sharedip/rtnl"
)

// Configure replaces the sets, and touches only what differs: an address that
// a held token lost is removed, one that it gained is added and announced, a
// token that is gone is dropped. Every address is in one set at most.
func (h *AddressManager) Configure(sets []Set) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	v, err := h.readHost()
	if err != nil {
		return err
	}
	h.seen = v
	old := h.tokens
	h.tokens = make(map[string]*token, len(sets))
	gained := make(map[*token][]*place)
	var errs []error
	for _, set := range sets {
		t := old[set.Token]
		if t == nil {
			t = &token{name: set.Token, wishes: &wishes{}}
		}
		delete(old, set.Token)
		h.tokens[set.Token] = t
		t.prove = set.Prove
		more, lost := t.reshape(set.Addresses)
		gained[t] = more
		errs = append(errs, h.letGo(t, lost))
	}
	for _, t := range old {
		errs = append(errs, h.letGo(t, t.places))
	}
	// An address may have gone from one token to another: all lose first.
	for t, places := range gained {
		errs = append(errs, h.gain(v, t, places))
	}
	h.owners = owners(h.tokens)
	clear(h.listened)
	h.tune(time.Now())
	h.prejoin(v)
	h.publish(v)
	h.seen = nil // Run is to look at the interfaces now in use
	h.wakeRun()
	return errors.Join(errs...)
}

// reshape gives t its new addresses, and returns those it had not before and
// those it has no more.
func (t *token) reshape(addresses []Address) (gained, lost []*place) {
	lost, t.places = t.places, nil
	for _, a := range addresses {
		p := &place{placement: placement{Address: a}}
		i := slices.IndexFunc(lost, func(p *place) bool { return p.Address == a })
		if i >= 0 {
			p, lost = lost[i], slices.Concat(lost[:i], lost[i+1:])
		} else {
			gained = append(gained, p)
		}
		t.places = append(t.places, p)
	}
	return gained, lost
}

// letGo removes places that t has no more, if it is held.
func (h *AddressManager) letGo(t *token, places []*place) error {
	if !t.held {
		return nil
	}
	return h.remove(places)
}

// gain finds the interfaces of new places, and adds them if t is held.
func (h *AddressManager) gain(v *rtnl.Host, t *token, places []*place) error {
	if t.held {
		if err := h.locateAll(v, places); err != nil {
			return err
		}
		return h.add(t, v, places, time.Now())
	}
	for _, p := range places {
		h.locate(v, p)
	}
	return nil
}
