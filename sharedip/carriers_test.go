package sharedip

import (
	"testing"
	"vipd/sharedip/rtnl"
)

// Glance asks for a look at the carriers unless a frame has come over every interface
// in use since the last one.
func TestGlance(t *testing.T) {
	h := &AddressManager{checkCarriers: make(chan struct{}, 1)}
	looks := func() bool {
		h.Glance()
		select {
		case <-h.checkCarriers:
			return true
		default:
			return false
		}
	}
	if !looks() {
		t.Error("nothing is known, and nobody looks")
	}
	h.carriersSeen.of(map[string]rtnl.LinkState{"eth0": {Index: 2}, "eth1": {Index: 3}})
	for _, c := range []struct {
		what    string
		carried []int
		look    bool
	}{
		{"no sign", nil, true},
		{"a sign of one", []int{2}, true},
		{"a sign of both", []int{3, 2}, false},
		{"signs count once", nil, true},
		{"a sign of an interface not in use", []int{2, 4}, true},
	} {
		for _, index := range c.carried {
			h.Carried(index)
		}
		if looks() != c.look {
			t.Errorf("%s: looks: %v, want %v", c.what, !c.look, c.look)
		}
	}
}
