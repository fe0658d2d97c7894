package sharedip

import (
	"fmt"
	"slices"
	"vipd/sharedip/rtnl"
)

// Check returns every reason why a configured address could not work here, in
// words for the person who wrote the configuration.
func (h *AddressManager) Check() []error {
	h.mu.Lock()
	defer h.mu.Unlock()
	v, err := h.readHost()
	if err != nil {
		return []error{err}
	}
	var errs []error
	for _, t := range h.tokens {
		for _, p := range t.places {
			errs = append(errs, h.checkPlace(v, p)...)
		}
	}
	return errs
}

func (h *AddressManager) checkPlace(v *rtnl.Host, p *place) (errs []error) {
	addr := p.Prefix.Addr()
	for _, a := range slices.Concat(v.Addresses, v.Shared) {
		if spotOf(a.Prefix.Addr(), a.Index) != spotOf(addr, p.index) || a.IsShared() && !h.watching {
			continue // another address, or one that the owner is yet to adopt or to drop
		}
		if o, ok := h.owner(addr, a.Index); ok && !o.holds(a) || !a.IsShared() {
			l, _ := v.LinkByIndex(a.Index)
			errs = append(errs, fmt.Errorf("%s is configured on %s by someone else: remove it from the network configuration", addr, l.Name))
		}
	}
	l, err := choose(v, h.options.Own, p.Address)
	if err != nil {
		return append(errs, err)
	}
	if err := h.hindrance(v, l, p.Address); err != nil {
		errs = append(errs, err)
	}
	if p.Prefix.IsSingleIP() && p.Interface != "" && !rtnl.IsConnected(v, l.Index, addr) {
		errs = append(errs, fmt.Errorf("%s: %s has no address of this host on its network, so clients there get no answer: write the address with its network's length", addr, l.Name))
	}
	return errs
}
