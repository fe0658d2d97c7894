package sharedip

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
	"vipd/sharedip/rtnl"

	"golang.org/x/sys/unix"
)

// How long an address may live in the kernel without Renew. The kernel counts
// whole seconds and removes it up to 0.3 s late.
const (
	MinLifetime = 3 * time.Second
	MaxLifetime = rtnl.MaxLifetime
)

// margin is how much earlier than its lifetime an address may be removed: the
// kernel counts from a rounded moment.
const margin = 100 * time.Millisecond

// ErrExpired says that Renew came after the addresses' lifetime had run out.
// They are off, and stay off: another node may have them by now.
var ErrExpired = errors.New("lifetime ran out before it was renewed")

// Take puts all addresses of the token on their interfaces and announces them in
// one form; Run does it in the other, and repeats both. If one can't be added, none is. Taking a token that
// is held, or whose addresses are there from an earlier process, adopts them
// under the new epoch.
func (h *AddressManager) Take(name string, epoch uint64) error {
	h.taking.Add(1)
	h.mu.Lock()
	events, err := h.take(name, epoch)
	h.mu.Unlock()
	h.taking.Add(-1)
	h.emit(events)
	h.wakeRun()
	return err
}

func (h *AddressManager) take(name string, epoch uint64) ([]Event, error) {
	t := h.tokens[name]
	if t == nil {
		return nil, fmt.Errorf("take %s: no such token", name)
	}
	now := time.Now()
	v, err := h.assign(t, now)
	if err != nil {
		h.seen = nil // news of a change of the interfaces may be on its way
		v, err = h.assign(t, now)
	}
	if err != nil {
		t.held = false
		h.remove(t.places)
		return nil, fmt.Errorf("take %s: %w", name, err)
	}
	t.held, t.epoch, t.fought = true, epoch, false
	t.until = now.Add(h.options.Lifetime)
	return h.announceFirst(t, v, now), nil
}

// assign finds the interface of every address of t and adds them all.
func (h *AddressManager) assign(t *token, now time.Time) (*rtnl.Host, error) {
	v, err := h.currentHost()
	if err != nil {
		return nil, err
	}
	if err := h.locateAll(v, t.places); err != nil {
		return nil, err
	}
	return v, h.add(t, v, t.places, now)
}

// displace takes off what stands in the way of the places on their interfaces: an IPv4
// address of host length with another scope, and an IPv6 address with another length,
// of which the kernel has one an interface. The kernel changes neither when it is told
// to replace them.
func (h *AddressManager) displace(v *rtnl.Host, places []*place) {
	var inTheWay []rtnl.Change
	for _, a := range slices.Concat(v.Addresses, v.Shared) {
		single := a.Prefix.IsSingleIP()
		if a.Prefix.Addr().Is4() && (!single || a.Scope == unix.RT_SCOPE_HOST) || a.Prefix.Addr().Is6() && single {
			continue
		}
		if slices.ContainsFunc(places, func(p *place) bool { return p.index == a.Index && p.Prefix.Addr() == a.Prefix.Addr() }) {
			inTheWay = append(inTheWay, rtnl.Change{Index: a.Index, Prefix: a.Prefix})
		}
	}
	h.kernel.Remove(inTheWay) // what can't be removed makes the addition fail, or is renewed as it is
}

// locateAll finds the interface of every place, or names the first without.
func (h *AddressManager) locateAll(v *rtnl.Host, places []*place) error {
	moved := false
	for _, p := range places {
		l, err := choose(v, h.options.Own, p.Address)
		if err != nil {
			return err
		}
		moved = h.move(p, l) || moved
	}
	if moved {
		h.publish(v)
	}
	return nil
}

// move makes l the interface of p, and leaves nothing on the one before.
func (h *AddressManager) move(p *place, l rtnl.Link) (moved bool) {
	p.label = rtnl.AddressLabel(l.Name)
	if p.index == l.Index {
		return false
	}
	if p.index != 0 {
		h.kernel.Remove([]rtnl.Change{p.change()})
	}
	if p.index = l.Index; p.Prefix.Addr().IsLinkLocalUnicast() {
		h.owners = owners(h.tokens)
	}
	return true
}

// add adds the places to the kernel, with the routes that they need, and begins their
// announcements.
func (h *AddressManager) add(t *token, v *rtnl.Host, places []*place, now time.Time) error {
	if err := h.guard(t, v, places); err != nil {
		return err
	}
	h.displace(v, places)
	said, err := h.kernel.Add(changes(places), rtnl.ReplaceExisting, h.seconds())
	if err := h.firstError("add", places, said, err); err != nil {
		return err
	}
	for _, p := range places {
		p.removals, p.gone = nil, false
		p.announcer.Take(now)
	}
	return h.connect(v, places)
}

// remove removes the places from the kernel, which confirms it, and the routes that
// nothing needs then.
func (h *AddressManager) remove(places []*place) error {
	for _, p := range places {
		p.announcer.Stop()
	}
	said, err := h.kernel.Remove(changes(places))
	if err := h.firstError("remove", places, said, err); err != nil || len(h.routes) == 0 {
		return err
	}
	v, err := h.currentHost()
	if err == nil {
		h.disconnect(v)
	}
	return err
}

// seconds is the lifetime as the kernel counts it.
func (h *AddressManager) seconds() uint32 { return uint32(h.options.Lifetime / time.Second) }

func changes(places []*place) []rtnl.Change {
	var all []rtnl.Change
	for _, p := range places {
		all = append(all, p.change())
	}
	return all
}

// firstError names the first address that failed.
func (h *AddressManager) firstError(verb string, places []*place, said []error, err error) error {
	if err != nil {
		return fmt.Errorf("%s %d addresses: %w", verb, len(places), err)
	}
	for i, e := range said {
		if e != nil {
			return fmt.Errorf("%s %s, interface %s: %w", verb, places[i].Prefix.Addr(), h.name(places[i].index), e)
		}
	}
	return nil
}

// name is the interface's name as seen last.
func (h *AddressManager) name(index int) string {
	if h.seen != nil {
		if l, ok := h.seen.LinkByIndex(index); ok {
			return l.Name
		}
	}
	return fmt.Sprintf("number %d", index)
}

// Drop stops the announcements of the token and removes its addresses; when it
// returns nil, the kernel has them no more. What an earlier process left is
// removed too.
func (h *AddressManager) Drop(name string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.tokens[name]
	if t == nil {
		return fmt.Errorf("drop %s: no such token", name)
	}
	held := t.held
	t.held = false
	err := h.remove(t.places)
	if err == nil && !held {
		err = h.removeStale(t)
	}
	if err != nil {
		return fmt.Errorf("drop %s: %w", name, err)
	}
	return nil
}

// removeStale removes what an earlier process left, on whichever interface.
func (h *AddressManager) removeStale(t *token) error {
	v, err := h.readHost()
	if err != nil {
		return err
	}
	var left []*place
	for _, a := range v.Shared {
		if t.has(a.Prefix.Addr(), a.Index) {
			left = append(left, &place{placement: placement{Address{Prefix: a.Prefix}, a.Index, nil}})
		}
	}
	return h.remove(left)
}

// Renew gives every held address its whole lifetime again, and puts it back if
// someone removed it. A token whose lifetime has run out is dropped instead, and
// the error is ErrExpired. Addresses that were fought over are left alone.
func (h *AddressManager) Renew() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	var errs []error
	var alive []*token
	var places []*place
	for _, t := range h.tokens {
		switch {
		case !t.held || t.fought:
		case t.expired(now):
			errs = append(errs, h.expire(t))
		default:
			alive, places = append(alive, t), append(places, t.places...)
		}
	}
	said, err := h.kernel.Add(changes(places), rtnl.ReplaceExisting, h.seconds())
	errs = append(errs, h.firstError("renew", places, said, err))
	if len(h.routes) > 0 {
		v, err := h.currentHost()
		if err == nil {
			err = h.reconnect(v)
		}
		errs = append(errs, err)
	}
	for _, t := range alive {
		// This process may have been frozen since it looked at the clock.
		if t.expired(time.Now()) {
			errs = append(errs, h.expire(t))
			continue
		}
		t.until = now.Add(h.options.Lifetime)
	}
	return errors.Join(errs...)
}

func (t *token) expired(now time.Time) bool { return !now.Before(t.until.Add(-margin)) }

// expire drops a token that was not renewed in time.
func (h *AddressManager) expire(t *token) error {
	t.held = false
	err := h.remove(t.places)
	return errors.Join(fmt.Errorf("renew %s: %w", t.name, ErrExpired), err)
}

// Held lists the shared addresses that are on this host now, by token: also
// those that an earlier process of ours left, for the owner to Take or Drop.
func (h *AddressManager) Held() (map[string][]netip.Prefix, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	v, err := h.readHost()
	if err != nil {
		return nil, err
	}
	held := make(map[string][]netip.Prefix)
	for _, a := range v.Shared {
		if o, ok := h.owner(a.Prefix.Addr(), a.Index); ok {
			held[o.token.name] = append(held[o.token.name], o.place.Prefix)
		}
	}
	return held, nil
}
