package sharedip

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
	"vipd/sharedip/neighbor"
	"vipd/sharedip/rtnl"
)

// Ask asks who has the token, by one address of each family on each of its
// interfaces, and returns the time just before: the addresses of a token are on one
// host together, and questions go to everybody on the LAN. The addresses take turns.
// Answers are events; answers of an earlier Ask may still come after it. It asks for
// what is held here, too: other holders answer. It does not wait.
//
// An error says that at least one question could not be sent: silence after it
// means nothing.
func (h *AddressManager) Ask(name string) (time.Time, error) {
	o, p, err := h.stateOf(name)
	if err != nil {
		return time.Time{}, fmt.Errorf("ask for %w", err)
	}
	turn := p.wishes.asks.Add(1)
	asked := time.Now()
	var errs []error
	for _, s := range p.sample(turn) {
		errs = append(errs, h.probe(o.view, s))
	}
	return asked, errors.Join(errs...)
}

// sample returns one spot of each family on each interface, each turn the next.
func (p *tokenState) sample(turn uint64) (sample []placement) {
	first := int(turn % uint64(max(len(p.placements), 1)))
	for _, part := range [][]placement{p.placements[first:], p.placements[:first]} {
		for _, s := range part {
			if !slices.ContainsFunc(sample, s.beside) {
				sample = append(sample, s)
			}
		}
	}
	return sample
}

// beside reports whether both are of one family and on one interface.
func (s placement) beside(other placement) bool {
	return s.index == other.index && s.Prefix.Addr().Is4() == other.Prefix.Addr().Is4()
}

// probe asks for one shared address where it is, or would be.
func (h *AddressManager) probe(v *rtnl.Host, s placement) error {
	l, ok := v.LinkByIndex(s.index)
	if !ok {
		return fmt.Errorf("ask for %s: no interface is known for it", s.Prefix.Addr())
	}
	if !l.Carrier {
		return fmt.Errorf("ask for %s: %s has no carrier", s.Prefix.Addr(), l.Name)
	}
	f, err := neighbor.NewProbe(l, probeSource(v, l.Index, h.options.Own), s.Prefix.Addr())
	if err == nil {
		err = h.sender.Send(l.Index, f)
	}
	if err != nil {
		return fmt.Errorf("ask for %s on %s: %w", s.Prefix.Addr(), l.Name, err)
	}
	h.counters.asked.Add(1)
	return nil
}

// probeSource is where IPv6 probes come from: the interface's link-local address,
// else one of the node's own there, else none.
func probeSource(v *rtnl.Host, index int, own []netip.Addr) netip.Addr {
	source := netip.IPv6Unspecified()
	for _, a := range v.Addresses {
		addr := a.Prefix.Addr()
		switch {
		case a.Index != index || addr.Is4():
		case addr.IsLinkLocalUnicast() && !slices.Contains(v.LinkLocal, addr):
			return addr
		case slices.Contains(own, addr):
			source = addr
		}
	}
	return source
}
