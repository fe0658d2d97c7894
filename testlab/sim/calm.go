package sim

import (
	"fmt"
	"time"

	"vipd/token"
)

// What is promised once nothing has been disturbed for long.

// limit is how long after the last disturbance everything must be in order: two
// seconds for a holder, the start's own wait, and for a failback its delay and
// the second after an offer that came to nothing. Hands that failed three
// times in a row are tried again within eight.
func (p *Plan) limit() time.Duration {
	d := p.StartWait + 2*time.Second + p.FailbackDelay + settle
	if len(p.Groups) > 0 {
		d += groupLimit
	}
	if p.HandsFail > 0 {
		d += 8 * time.Second
	}
	if slow := p.Dead() - 250*time.Millisecond; slow > 0 {
		d += 8 * slow
	}
	if p.Extras&Proxy != 0 {
		d += token.UnprovedFor * 10 / 9 // by a clock that may be a tenth slow
	}
	for _, f := range p.Faults {
		if f.Kind == Clumsy || f.Kind >= Unable {
			return d + 5*time.Second // their back-off may have grown so long
		}
	}
	return d
}

// calm fails if something is out of order.
func (c *checker) calm() {
	if what := c.disorder(); what != "" {
		c.fail("calm, but %s", what)
	}
}

// disorder names what is not as promised in a calm: every token that can be held
// is held once, by the one with the highest epoch of those that run, who announced last, and with
// Auto Failback not by a lower priority than could be.
func (c *checker) disorder() string {
	for i := range c.w.specs {
		if c.w.specs[i].Bits&token.AllowMultiple != 0 {
			if what := c.missing(i); what != "" {
				return what
			}
			continue
		}
		if what := c.disorderOf(i); what != "" {
			return what
		}
	}
	return c.groupDisorder()
}

// missing names a fit node that doesn't hold a token that all may hold.
func (c *checker) missing(i int) string {
	for _, h := range c.w.Hosts {
		if h.Running() && h.machine.Tokens().Status(h.now(), i).Reasons.Eligible() && !h.Answers(i) {
			return fmt.Sprintf("%s doesn't hold %s", h.Name, c.w.specs[i].Name)
		}
	}
	return ""
}

func (c *checker) disorderOf(i int) string {
	name := c.w.specs[i].Name
	var holder *Host
	for _, h := range c.w.Hosts {
		switch {
		case !h.Answers(i):
		case holder != nil:
			return fmt.Sprintf("%s is held by %s and %s", name, holder.Name, h.Name)
		default:
			holder = h
		}
	}
	switch {
	case holder == nil && c.eligible(i) && !c.waits(i):
		return fmt.Sprintf("nobody holds %s", name)
	case holder == nil:
		return ""
	case !c.w.isGroup(i) && c.announcer[i] != holder.Slot:
		return fmt.Sprintf("%s holds %s, but %d announced last", holder.Name, name, c.announcer[i])
	}
	for _, o := range c.w.Hosts {
		if o.Running() && c.newest[o.Slot-1][i] > holder.kernel[i].epoch && !c.mayGoBack(holder) && !c.forgot(o, i, c.floors[holder.Slot-1][i]) {
			return fmt.Sprintf("%s holds %s with epoch %x, below %x", holder.Name, name, holder.kernel[i].epoch, c.newest[o.Slot-1][i])
		}
		if c.better(o, holder, i) {
			return fmt.Sprintf("%s holds %s, though %s should", holder.Name, name, o.Name)
		}
	}
	return ""
}

// waits reports whether the token may wait for a host that does not run: one that may
// have held it last, where no other takes it on silence, or has promised not to: a promise
// ends by the word of every other host.
func (c *checker) waits(i int) bool {
	disabled, down := c.promised[i], false
	for _, h := range c.w.Hosts {
		disabled = disabled || h.file.bits[i]&token.DisableInheritance != 0
		down = down || !h.Running()
	}
	return disabled && down
}

// eligible reports whether any node could hold the token; at the end of a plan
// all of them can.
func (c *checker) eligible(i int) bool {
	for _, h := range c.w.Hosts {
		if h.alive && !h.disk.broken && !h.linkOff[i] && !h.disk.suspended && !h.lacks(i) && c.able(h, i) {
			return true
		}
	}
	return false
}

// better reports whether failback owes the token to the node.
func (c *checker) better(o, holder *Host, i int) bool {
	bits, cap := c.w.specs[i].Bits, c.w.Plan.FailbackCap
	if !c.agree() || bits&token.AutoFailback == 0 || !o.Running() || !holder.Running() {
		return false
	}
	at := holder.machine.Tokens().Status(holder.now(), i)
	return c.w.Plan.Priority[o.Slot-1] > c.w.Plan.Priority[holder.Slot-1] &&
		o.machine.Tokens().Status(o.now(), i).Reasons.Eligible() && !at.Pinned && (cap == 0 || at.Moves < cap)
}

// remember notes who holds what before a cut.
func (c *checker) remember() {
	c.calm()
	for i := range c.holder {
		c.holder[i] = c.holderOf(i)
	}
}

// unmoved fails if the cut has moved something.
func (c *checker) unmoved() {
	for i := range c.holder {
		if now := c.holderOf(i); now != c.holder[i] {
			c.fail("a short cut moved %s from %d to %d", c.w.specs[i].Name, c.holder[i], now)
		}
	}
}

// holderOf returns the slot of the one that answers for the token, 0 if none or
// several do.
func (c *checker) holderOf(i int) (slot uint8) {
	for _, h := range c.w.Hosts {
		if h.Answers(i) {
			if slot != 0 {
				return 0
			}
			slot = h.Slot
		}
	}
	return slot
}
