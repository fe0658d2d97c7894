package sharedip

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

// The places of the other nodes' own addresses are told, and no others.
func TestStations(t *testing.T) {
	peer := netip.MustParseAddr("192.0.2.12")
	h := &Hands{nodes: newNodes([]netip.Addr{peer})}
	first, second := hardware{2, 0, 0, 0, 0, 1}, hardware{2, 0, 0, 0, 0, 2}
	h.nodes.learn(sighting{index: 3, addr: peer, mac: first}, time.Unix(1, 0))
	h.nodes.learn(sighting{index: 4, addr: peer, mac: second}, time.Unix(2, 0))
	h.nodes.learn(sighting{index: 3, addr: peer, mac: first}, time.Unix(3, 0))
	if got, want := h.Stations(), []Station{{3, first, peer}, {4, second, peer}}; !slices.Equal(got, want) {
		t.Errorf("stations %v, want %v", got, want)
	}
}
