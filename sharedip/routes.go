package sharedip

import (
	"errors"
	"fmt"
	"vipd/sharedip/rtnl"

	"golang.org/x/sys/unix"
)

// routeOf is the route that p needs, if any: neighbours of a host of its own have one from
// the kernel.
func routeOf(v *rtnl.Host, p *place) (r rtnl.Route, needed bool) {
	if p.index == 0 || p.Prefix.IsSingleIP() || rtnl.IsConnected(v, p.index, p.Prefix.Addr()) {
		return rtnl.Route{}, false
	}
	return rtnl.Route{Index: p.index, Network: p.Prefix.Masked()}, true
}

// routesOf returns the routes that the places need, each once.
func routesOf(v *rtnl.Host, places []*place) map[rtnl.Route]bool {
	needed := make(map[rtnl.Route]bool)
	for _, p := range places {
		if r, ok := routeOf(v, p); ok {
			needed[r] = true
		}
	}
	return needed
}

// connect adds the routes that the places need, also those that should be there already:
// another program may have removed them.
func (h *AddressManager) connect(v *rtnl.Host, places []*place) error {
	for r := range routesOf(v, places) {
		err := h.kernel.Route(unix.RTM_NEWROUTE, unix.NLM_F_CREATE, r, h.options.Lifetime)
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("add the route to %s, interface %s: %w", r.Network, h.name(r.Index), err)
		}
		h.routes[r] = true
	}
	return nil
}

// heldPlaces returns the places of every held token.
func (h *AddressManager) heldPlaces() (list []*place) {
	for _, t := range h.tokens {
		if t.held {
			list = append(list, t.places...)
		}
	}
	return list
}

// disconnect removes the routes that no held address needs any more, also those that an
// earlier process left.
func (h *AddressManager) disconnect(v *rtnl.Host) {
	if len(h.routes) == 0 {
		return
	}
	needed := routesOf(v, h.heldPlaces())
	for r := range h.routes {
		if !needed[r] {
			h.kernel.Route(unix.RTM_DELROUTE, 0, r, 0) // it went with its interface, or stays until the next time
			delete(h.routes, r)
		}
	}
}

// reconnect adds the routes of all that is held again.
func (h *AddressManager) reconnect(v *rtnl.Host) error { return h.connect(v, h.heldPlaces()) }
