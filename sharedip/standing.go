package sharedip

import (
	"maps"
	"net/netip"
	"slices"
	"vipd/sharedip/rtnl"
)

// Spot is one shared address on one interface.
type Spot struct {
	Addr      netip.Addr
	Interface int // by index
}

// spotOf is how addresses are told apart: a link-local one is another on each interface
// (RFC 4291 section 2.5.6), any other is one address wherever it is.
func spotOf(addr netip.Addr, index int) Spot {
	if !addr.IsLinkLocalUnicast() || addr.Is4() {
		index = 0
	}
	return Spot{addr, index}
}

// owner finds the shared address that addr on that interface is.
func (h *AddressManager) owner(addr netip.Addr, index int) (owner, bool) {
	o, ok := h.owners[spotOf(addr, index)]
	return o, ok
}

// owners lists where each shared address belongs. A link-local one whose interface is
// not known yet is nowhere.
func owners(tokens map[string]*token) map[Spot]owner {
	all := make(map[Spot]owner)
	for _, t := range tokens {
		for _, p := range t.places {
			if s := spotOf(p.Prefix.Addr(), p.index); p.index != 0 || s.Interface == 0 && !p.Prefix.Addr().IsLinkLocalUnicast() {
				all[s] = owner{t, p}
			}
		}
	}
	return all
}

// StandingNow lists the shared addresses that are on this host though it was not this
// process that put them there, or though their token is not held: with any prefix length,
// on any interface. The kernel answers for them like for any of its own.
func (h *AddressManager) StandingNow() (list []Standing, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	v, err := h.readHost()
	if err != nil {
		return nil, err
	}
	for name, spots := range h.standing(v) {
		list = append(list, Standing{name, spots, h.answering(v, spots)})
	}
	return list, nil
}

func (h *AddressManager) standing(v *rtnl.Host) map[string][]Spot {
	all := make(map[string][]Spot)
	for _, a := range slices.Concat(v.Addresses, v.Shared) {
		if o, ok := h.owner(a.Prefix.Addr(), a.Index); ok && !o.holds(a) {
			all[o.token.name] = append(all[o.token.name], Spot{a.Prefix.Addr(), a.Index})
		}
	}
	return all
}

// holds reports whether it is the owner's token that has put a where it is.
func (o owner) holds(a rtnl.Address) bool {
	return o.token.held && a.Index == o.place.index && a.Prefix.IsSingleIP()
}

// stand tells which addresses stand, token by token, where that has changed.
func (h *AddressManager) stand(v *rtnl.Host) (events []Event) {
	now := h.standing(v)
	for name := range h.standingTold {
		if _, still := now[name]; !still {
			events = append(events, Standing{Token: name})
		}
	}
	for name, spots := range now {
		if !slices.Equal(spots, h.standingTold[name]) {
			events = append(events, Standing{name, spots, h.answering(v, spots)})
		}
	}
	h.standingTold = now
	return events
}

// answering lists the interfaces by which the kernel would answer for the addresses:
// those where they are or would be, and others on their networks, since it answers on
// each for what is on any.
func (h *AddressManager) answering(v *rtnl.Host, spots []Spot) []int {
	found := make(map[int]bool)
	for _, s := range spots {
		o, _ := h.owner(s.Addr, s.Interface)
		for _, l := range v.Links {
			here := l.Index == s.Interface || o.place != nil && l.Index == o.place.index
			if l.Ethernet && (here || !s.Addr.IsLinkLocalUnicast() && rtnl.IsConnected(v, l.Index, s.Addr)) {
				found[l.Index] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// guard has the owner know of places before they are put on.
func (h *AddressManager) guard(t *token, v *rtnl.Host, places []*place) error {
	if h.options.Guard == nil || len(places) == 0 {
		return nil
	}
	var spots []Spot
	for _, p := range places {
		spots = append(spots, Spot{p.Prefix.Addr(), p.index})
	}
	return h.options.Guard(t.name, spots, h.answering(v, spots))
}

// has reports whether addr on that interface is the token's.
func (t *token) has(addr netip.Addr, index int) bool {
	return slices.ContainsFunc(t.places, func(p *place) bool {
		return spotOf(p.Prefix.Addr(), p.index) == spotOf(addr, index)
	})
}
