package sharedip

import (
	"sync"
	"vipd/sharedip/rtnl"
)

// carriersSeen are which interfaces have shown that they have a carrier: a frame came over
// them since the last Glance, so the kernel need not be asked.
type carriersSeen struct {
	mu   sync.Mutex
	used map[int]bool // interfaces whose carrier matters, and whether a frame came
}

// of makes the signs those of the interfaces in use.
func (s *carriersSeen) of(used map[string]rtnl.LinkState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used = make(map[int]bool, len(used))
	for _, l := range used {
		s.used[l.Index] = false
	}
}

// all reports whether every interface has given a sign, and forgets them.
func (s *carriersSeen) all() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := len(s.used) > 0
	for index, came := range s.used {
		all = all && came
		s.used[index] = false
	}
	return all
}

// Carried says that a frame has just come over the interface.
func (h *AddressManager) Carried(index int) {
	s := &h.carriersSeen
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, used := s.used[index]; used {
		s.used[index] = true
	}
}

// Glance has Run look at the carriers now, unless each has shown itself since the last
// time (Carried). Called once an interval, by somebody who is awake anyway, it spares
// Run a timer of its own: without it the carriers are looked at every 0.8 s.
func (h *AddressManager) Glance() {
	if h.carriersSeen.all() {
		return
	}
	select {
	case h.checkCarriers <- struct{}{}:
	default:
	}
}
