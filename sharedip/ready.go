package sharedip

import (
	"fmt"
	"net/netip"
)

// Ready returns why the token's addresses could not be reached if they were put
// on now: no interface is found for one of them, or it carries no signal. While Run
// runs it does not wait.
func (h *Hands) Ready(name string) error {
	o, p, err := h.prospect(name)
	if err != nil {
		return err
	}
	for _, s := range p.spots {
		l, err := choose(o.view, h.options.Own, s.Address)
		if err != nil {
			return err
		}
		if !l.Carrier {
			return fmt.Errorf("%s: %s has no carrier", s.Prefix.Addr(), l.Name)
		}
	}
	return nil
}

// Where returns the interface, by index, of each address of the token.
func (h *Hands) Where(name string) (map[netip.Addr]int, error) {
	o, p, err := h.prospect(name)
	if err != nil {
		return nil, err
	}
	where := make(map[netip.Addr]int, len(p.spots))
	for _, s := range p.spots {
		l, err := choose(o.view, h.options.Own, s.Address)
		if err != nil {
			return nil, err
		}
		where[s.Prefix.Addr()] = l.Index
	}
	return where, nil
}
