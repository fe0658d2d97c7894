package sharedip

import (
	"net/netip"
	"slices"
	"testing"
	"time"
	"vipd/sharedip/neighbor"
)

// The places of the other nodes' own addresses are told, and no others.
func TestStations(t *testing.T) {
	peer := netip.MustParseAddr("192.0.2.12")
	h := &AddressManager{nodes: newNodes([]netip.Addr{peer})}
	first, second := neighbor.MAC{2, 0, 0, 0, 0, 1}, neighbor.MAC{2, 0, 0, 0, 0, 2}
	h.nodes.learn(neighbor.Observation{Index: 3, Addr: peer, MAC: first}, time.Unix(1, 0))
	h.nodes.learn(neighbor.Observation{Index: 4, Addr: peer, MAC: second}, time.Unix(2, 0))
	h.nodes.learn(neighbor.Observation{Index: 3, Addr: peer, MAC: first}, time.Unix(3, 0))
	if got, want := h.Stations(), []Station{{3, first, peer}, {4, second, peer}}; !slices.Equal(got, want) {
		t.Errorf("stations %v, want %v", got, want)
	}
}
