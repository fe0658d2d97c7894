package sim

import (
	"fmt"
	"time"

	"vipd/heartbeat/clock"
	"vipd/token"
	"vipd/vipd/node"
)

// checker watches the world from outside: what kernels answer, which epochs are
// granted, who announced last. It knows the promises, not the machines' rules.
type checker struct {
	w         *World
	violation string
	disturbed int64     // newest beginning or end of a fault
	severed   [][]int64 // pair: newest time at which it was cut both ways, −1 never
	epochs    map[epochKey]uint8
	newest    [][]uint64 // by host and token
	announcer []uint8    // by token
	holder    []uint8    // by token, at the last calm check
	phases    [4]int     // how often each was reached
	causes    [17]int
	verbs     [6]int
	duals     int // allowed ones
	Trace     func(format string, args ...any)
}

type epochKey struct {
	token int
	epoch uint64
}

func newChecker(w *World) *checker {
	c := &checker{w: w, epochs: map[epochKey]uint8{}, announcer: make([]uint8, w.Plan.Tokens), holder: make([]uint8, w.Plan.Tokens)}
	for range w.Plan.Nodes {
		row := make([]int64, w.Plan.Nodes)
		for i := range row {
			row[i] = -1
		}
		c.severed = append(c.severed, row)
		c.newest = append(c.newest, make([]uint64, w.Plan.Tokens))
	}
	return c
}

func (c *checker) fail(format string, args ...any) {
	if c.violation == "" {
		c.violation = fmt.Sprintf("%v: ", time.Duration(c.w.Now)) + fmt.Sprintf(format, args...)
	}
}

func (c *checker) trace(format string, args ...any) {
	if c.Trace != nil {
		c.Trace("%v "+format, append([]any{time.Duration(c.w.Now)}, args...)...)
	}
}

func (c *checker) disturb() { c.disturbed = c.w.Now }

// cut notes, before and after a link changes, whether the pair is cut both ways.
func (c *checker) cut(a, b int) {
	if !c.w.open(a, b) && !c.w.open(b, a) {
		c.severed[a][b], c.severed[b][a] = c.w.Now, c.w.Now
	}
}

// excused reports whether the pair may both hold now: they were cut both ways,
// and have not been together again for long enough to settle it.
func (c *checker) excused(a, b int) bool {
	if !c.w.open(a, b) && !c.w.open(b, a) {
		return true
	}
	t := c.severed[a][b]
	return t >= 0 && c.w.Now-t < int64(c.settle())
}

// settle is how long a meeting may take after a heal.
func (c *checker) settle() time.Duration { return max(time.Second, 4*c.w.Plan.Dead()) }

// answers reports whether the host's kernel answers for the token.
func (h *Host) answers(i int) bool {
	k := &h.kernel[i]
	return h.alive && k.up && h.now() < k.expiry
}

// answering is asked whenever a kernel begins to answer, or may for longer.
func (c *checker) answering(h *Host, i int) {
	if !h.answers(i) || c.w.Plan.Bits[i]&token.AllowMultiple != 0 {
		return
	}
	for _, o := range c.w.Hosts {
		if o == h || !o.answers(i) {
			continue
		}
		if c.w.Plan.Bits[i]&token.DisableInheritance == 0 && c.excused(int(h.Slot-1), int(o.Slot-1)) {
			c.duals++
			continue
		}
		c.fail("both %s (until %v) and %s (%v) answer for %s", h.Name, h.kernel[i].expiry.Sub(h.now()), o.Name, o.kernel[i].expiry.Sub(o.now()), c.w.specs[i].Name)
	}
}

func (c *checker) announced(h *Host, i int) { c.announcer[i] = h.Slot }

// deadline looks for a machine that would not sleep.
func (c *checker) deadline(h *Host, now clock.Instant) {
	if h.machine.Deadline() <= now {
		c.fail("%s: a deadline that has passed", h.Name)
	}
}

// action watches what a machine asks for.
func (c *checker) action(h *Host, a node.Action) {
	switch a := a.(type) {
	case token.Lease:
		if a.Limit != 0 {
			c.epoch(h, a)
		}
	case token.Acquire:
		c.phases[token.Taking]++
		c.causes[a.Cause]++
		c.trace("%s take %s epoch %x (%v)", h.Name, c.w.specs[a.Token].Name, a.Epoch, a.Cause)
	case token.Drop:
		c.phases[token.Dropping]++
		c.causes[a.Cause]++
		c.trace("%s drop %s (%v)", h.Name, c.w.specs[a.Token].Name, a.Cause)
	case node.Noted:
		c.trace("%s notes %c %v", h.Name, 'a'+a.Peer-1, a.What)
	case node.Words:
		for i := range a.Claims {
			c.verbs[a.Claims[i].Verb]++
			c.phases[a.Claims[i].Phase]++
		}
	case node.Reply:
		c.trace("%s replies %v late=%v", h.Name, a.Why, a.Late)
	}
}

// epoch checks that a grant's number was never granted elsewhere, and that a
// node's own grow.
func (c *checker) epoch(h *Host, a token.Lease) {
	key := epochKey{a.Token, a.Epoch}
	owner, seen := c.epochs[key]
	if seen && owner != h.Slot {
		c.fail("epoch %x of %s granted by both %d and %d", a.Epoch, c.w.specs[a.Token].Name, owner, h.Slot)
	}
	c.epochs[key] = h.Slot
	if newest := &c.newest[h.Slot-1][a.Token]; a.Epoch < *newest {
		c.fail("%s went back from epoch %x to %x", h.Name, *newest, a.Epoch)
	} else {
		*newest = a.Epoch
	}
}

// calm is asked when nothing has been disturbed for long: every token that can
// be held is held once, by the one with the highest epoch, who announced last.
func (c *checker) calm() {
	for i := range c.w.Plan.Tokens {
		if c.w.Plan.Bits[i]&token.AllowMultiple != 0 {
			continue
		}
		c.calmToken(i)
	}
}

func (c *checker) calmToken(i int) {
	var holders []*Host
	fit := false
	for _, h := range c.w.Hosts {
		if h.answers(i) {
			holders = append(holders, h)
		}
		fit = fit || h.Running() && !h.disk.broken && h.machine.Tokens().Look(h.now(), i).Reasons.Fit()
	}
	switch {
	case len(holders) > 1:
		c.fail("calm, but %s is held by %d nodes", c.w.specs[i].Name, len(holders))
	case len(holders) == 0:
		c.fail("calm, but nobody holds %s (a fit node: %v)", c.w.specs[i].Name, fit)
	case c.announcer[i] != holders[0].Slot:
		c.fail("%s holds %s, but node %d announced last", holders[0].Name, c.w.specs[i].Name, c.announcer[i])
	default:
		c.lawful(holders[0], i)
	}
}

// lawful checks the one holder: the highest epoch, and with Auto Failback
// nobody of higher priority waiting.
func (c *checker) lawful(h *Host, i int) {
	for _, o := range c.w.Hosts {
		if c.newest[o.Slot-1][i] > h.kernel[i].epoch {
			c.fail("%s holds %s with epoch %x, below %x", h.Name, c.w.specs[i].Name, h.kernel[i].epoch, c.newest[o.Slot-1][i])
		}
	}
	c.holder[i] = h.Slot
}
