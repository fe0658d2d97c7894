package sharedip

import (
	"fmt"
	"net/netip"
)

// Ready returns why the token's addresses could not be reached if they were put
// on now: no interface is found for one of them, or it carries no signal.
func (h *Hands) Ready(name string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.tokens[name]
	if t == nil {
		return fmt.Errorf("%s: no such token", name)
	}
	v, err := h.look()
	if err != nil {
		return err
	}
	for _, p := range t.places {
		l, err := choose(v, h.options.Own, p.Address)
		if err != nil {
			return err
		}
		if !l.Carrier {
			return fmt.Errorf("%s: %s has no carrier", p.Prefix.Addr(), l.Name)
		}
	}
	return nil
}

// Where returns the interface, by index, of each address of the token.
func (h *Hands) Where(name string) (map[netip.Addr]int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.tokens[name]
	if t == nil {
		return nil, fmt.Errorf("%s: no such token", name)
	}
	v, err := h.look()
	if err != nil {
		return nil, err
	}
	where := make(map[netip.Addr]int, len(t.places))
	for _, p := range t.places {
		l, err := choose(v, h.options.Own, p.Address)
		if err != nil {
			return nil, err
		}
		where[p.Prefix.Addr()] = l.Index
	}
	return where, nil
}
