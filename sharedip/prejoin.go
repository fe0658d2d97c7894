package sharedip

import (
	"vipd/sharedip/neighbor"
	"vipd/sharedip/rtnl"

	"github.com/mdlayher/ndp"
)

// prejoin joins the groups of all configured addresses, where they would be.
func (h *AddressManager) prejoin(v *rtnl.Host) {
	wanted := make(map[neighbor.Membership]bool)
	for _, t := range h.tokens {
		for _, p := range t.places {
			group, err := ndp.SolicitedNodeMulticast(p.Prefix.Addr())
			if l, ok := v.LinkByIndex(p.index); ok && l.Up && err == nil {
				wanted[neighbor.Membership{Group: group, Index: p.index}] = true
			}
		}
	}
	h.counters.unjoined.Add(uint64(h.groups.Set(wanted)))
}
