package sharedip

import (
	"errors"
	"fmt"
	"net/netip"
)

// ErrUnable says that a setting of this host keeps an address from being put on or
// from being reached.
var ErrUnable = errors.New("not possible on this host")

// Ready returns why the token's addresses could not be reached if they were put
// on now: no interface is found for one of them, or it carries no signal, or a setting
// of this host stands against it, which is an ErrUnable. While Run runs it does not wait.
func (h *AddressManager) Ready(name string) error {
	o, p, err := h.stateOf(name)
	if err != nil {
		return err
	}
	for _, s := range p.placements {
		l, err := choose(o.view, h.options.Own, s.Address)
		if err != nil {
			return err
		}
		if !l.Carrier {
			return fmt.Errorf("%s: %s has no carrier", s.Prefix.Addr(), l.Name)
		}
		if s.index == l.Index && s.hinder != nil {
			return s.hinder
		}
	}
	return nil
}

// Where returns the interface, by index, of each address of the token.
func (h *AddressManager) Where(name string) (map[netip.Addr]int, error) {
	o, p, err := h.stateOf(name)
	if err != nil {
		return nil, err
	}
	where := make(map[netip.Addr]int, len(p.placements))
	for _, s := range p.placements {
		l, err := choose(o.view, h.options.Own, s.Address)
		if err != nil {
			return nil, err
		}
		where[s.Prefix.Addr()] = l.Index
	}
	return where, nil
}
