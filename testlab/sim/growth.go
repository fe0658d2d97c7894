package sim

import (
	"time"

	"vipd/token"
)

// grant is one epoch that a node granted.
type grant struct {
	epoch uint64
	at    int64
	by    *Host
}

// aheadOfClock is how far ahead of the time of day grants run: a second is what a start
// adds to it, and grants in quick succession add to that. So long after a grant every
// later one must be above it.
const aheadOfClock = 1500 * time.Millisecond

// forgot reports whether the host has lost everything by which it knew of its newest grant
// of the token, and the time of day need not be above that, be it for another grant at the
// time or for what the host says of itself: its lease page went in a power cut, and the
// state file, which reserves more than was granted, is lost too, or the host was back so
// soon that the second which a start adds to the time of day is not above it.
func (c *checker) forgot(h *Host, i int, at int64) bool {
	n := h.Slot - 1
	granted := c.granted[n][i]
	if c.pageLost[n] < granted || at-granted >= int64(aheadOfClock) {
		return false
	}
	return c.stateLost[n] >= granted || c.pageLost[n]-granted < int64(aheadOfClock-time.Second)
}

// grew checks that grants grow along real time, whoever makes them and whatever the node
// has heard of the others, as long as every clock is synchronised and right.
func (c *checker) grew(h *Host, a token.Lease) {
	if c.w.Plan.Extras&Growth == 0 || c.wrongClock || c.unsynchronised() {
		return
	}
	list := c.grants[a.Token]
	for i := range list {
		if list[i].epoch == a.Epoch {
			return // it goes on
		}
	}
	for i := range list {
		if g := &list[i]; g.epoch > a.Epoch && c.w.Now-g.at > int64(aheadOfClock) {
			c.fail("%s grants epoch %x of %s, below %x of %s %v earlier", h.Name, a.Epoch, c.w.specs[a.Token].Name, g.epoch, g.by.Name, time.Duration(c.w.Now-g.at))
		}
	}
	c.grants[a.Token] = append(list, grant{a.Epoch, c.w.Now, h})
}

// unsynchronised reports whether any clock is not synchronised.
func (c *checker) unsynchronised() bool {
	for _, h := range c.w.Hosts {
		if h.unsynced {
			return true
		}
	}
	return false
}

// mayGoBack reports whether the host's epochs may: it has lost its state while no clock
// told more, or a clock that it trusts was wrong.
func (c *checker) mayGoBack(h *Host) bool {
	return c.forgetful[h.Slot-1] || c.w.Plan.Clocked && c.wrongClock
}
