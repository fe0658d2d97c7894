package sharedip

import "net/netip"

// Station is a place at which one of the other nodes' own addresses was seen.
type Station struct {
	Index int // of the interface from which it was seen
	MAC   [6]byte
	Addr  netip.Addr
}

// Stations returns where the other nodes' own addresses were seen, in the order in which
// they were met. It is what neighbours would believe too: a host may claim a place that
// is not its own.
func (h *AddressManager) Stations() []Station {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := make([]Station, 0, len(h.nodes.known))
	for _, a := range h.nodes.known {
		list = append(list, Station{a.index, a.mac, a.addr})
	}
	return list
}
