package sim

import (
	"time"

	"vipd/heartbeat/clock"
	"vipd/token"
)

// grant is one epoch that a node granted.
type grant struct {
	epoch uint64
	at    int64
	by    *Host
	timed bool // every clock was synchronised
}

// aheadOfClock is how far ahead of the time of day grants run: a second is what a start
// adds to it, and grants in quick succession add to that. So long after a grant every
// later one must be above it.
const aheadOfClock = 1500 * time.Millisecond

// told is what a daemon knows of the time of day: eighths of a second since 2026.
type told struct {
	floor uint64
	at    clock.Instant
	start uint64 // as the newest start had it
}

// eighth is what epochs count of the time of day.
const eighth = time.Second / 8

// clockFloor is the least counter of a grant by the host's clock now, 0 if that is not
// synchronised.
func (h *Host) clockFloor() uint64 {
	if !h.world.Plan.Clocked || h.unsynced {
		return 0
	}
	return h.told.floor + uint64(h.now().Sub(h.told.at)/eighth)
}

// startSlack is how far ahead of its clock a daemon takes that to be which an earlier run
// may have granted.
const startSlack = uint64(time.Second / eighth)

// forgot reports whether the host has lost everything by which it knew of its newest grant
// of the token, and that is ahead of the clock by which another grant is made, be it of its
// own or another's: its lease page went in a power cut; and the state file, which reserves
// more than was granted, is lost too, or the second which a start adds to the time of day was
// not above it.
func (c *checker) forgot(h *Host, i int, floor uint64) bool {
	n := h.Slot - 1
	granted, counter := c.granted[n][i], token.Counter(c.newest[n][i])
	if c.pageLost[n] < granted || counter < floor {
		return false
	}
	return c.stateLost[n] >= granted || h.told.start != 0 && !h.unsynced && counter > h.told.start+startSlack
}

// grew checks that grants grow along real time, whoever makes them and whatever the node
// has heard of the others, as long as every clock is synchronised and right.
func (c *checker) grew(h *Host, a token.Lease) {
	if c.w.Plan.Extras&Growth == 0 || c.wrongClock {
		return
	}
	list, most := c.grants[a.Token], uint64(0)
	for i := range list {
		if list[i].epoch == a.Epoch {
			return // it goes on
		}
		most = max(most, token.Counter(list[i].epoch))
	}
	c.grants[a.Token] = append(list, grant{a.Epoch, c.w.Now, h, !c.unsynchronised()})
	if c.unsynchronised() {
		return
	}
	for i := range list {
		if g := &list[i]; g.timed && g.epoch > a.Epoch && c.w.Now-g.at > int64(aheadOfClock) {
			c.fail("%s grants epoch %x of %s, below %x of %s %v earlier", h.Name, a.Epoch, c.w.specs[a.Token].Name, g.epoch, g.by.Name, time.Duration(c.w.Now-g.at))
		}
	}
	c.follows(h, a, most)
}

// follows checks that a grant is not below the time of day by the host's own clock, but
// where its disk fails, and that it is above that of the clock which is ahead of all others
// only as far as earlier grants and the second of a start take it.
func (c *checker) follows(h *Host, a token.Lease, most uint64) {
	counter, floor := token.Counter(a.Epoch), h.clockFloor()
	for _, o := range c.w.Hosts {
		if o.machine != nil {
			c.ahead = max(c.ahead, o.clockFloor())
		}
	}
	switch {
	case counter+1 < floor && !h.diskFull:
		c.fail("%s grants counter %d of %s, below the time of day %d", h.Name, counter, c.w.specs[a.Token].Name, floor)
	case counter > max(most+1, c.ahead+startSlack+2) && !c.untimed:
		c.fail("%s grants counter %d of %s, far above the time of day %d and the newest %d", h.Name, counter, c.w.specs[a.Token].Name, c.ahead, most)
	}
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
