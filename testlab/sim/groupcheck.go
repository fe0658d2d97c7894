package sim

import (
	"fmt"
	"slices"
	"time"

	"vipd/services"
	"vipd/token"
	"vipd/vipd/node"
)

// What is promised of groups, as seen from outside: processes, leases, and what
// the heartbeats say.

// groupLimit is how much longer than a vip a group may take to be in order: what
// failed is kept away for up to eight seconds.
const groupLimit = 10 * time.Second

// groupEvent is something that befalls groups, for the coverage.
type groupEvent uint8

const (
	starts groupEvent = iota
	deaths
	kills
	adoptions
	locks
	surrenders
	groupEvents
)

func (e groupEvent) String() string {
	return [...]string{"unit started", "unit died", "killed by the keeper", "group adopted", "group given up for good", "group given up"}[e]
}

// groupNotes is what the checker knows of groups.
type groupNotes struct {
	idle   [][]bool // by host and token: as last said
	starts []int    // by group: of first units, since the last disturbance
	since  int64    // that disturbance
	locked [][]bool // by host and group
}

func newGroupNotes(w *World) (n groupNotes) {
	for range w.Plan.Nodes {
		n.idle = append(n.idle, make([]bool, w.Plan.All()))
		n.locked = append(n.locked, make([]bool, len(w.Plan.Groups)))
	}
	n.starts = make([]int, len(w.Plan.Groups))
	return n
}

func (c *checker) happened(e groupEvent) { c.Events[e]++ }

// starting is asked when a unit is about to be started: its token's grant is in
// force here, and where one node may run it no other does, but one whose lease has
// ended less than the keeper's grace ago, or one beyond a cut.
func (c *checker) starting(h *Host, a services.Start) {
	c.happened(starts)
	gang := &h.gangs[a.Group]
	i := gang.token()
	c.trace("%s starts unit %d of %s, epoch %x", h.Name, a.Unit, c.w.GroupName(a.Group), a.Epoch)
	if epoch := h.sender.Held(i); epoch != a.Epoch {
		c.fail("%s starts %s by epoch %x, but its lease is of %x", h.Name, c.w.GroupName(a.Group), a.Epoch, epoch)
	}
	if a.Unit == 0 {
		c.countStart(a.Group)
		c.inOrder(h, gang)
	}
	if gang.plan().Bits&token.AllowMultiple != 0 {
		return
	}
	for _, o := range c.w.Hosts {
		if o != h && o.gangs[a.Group].left() && !c.mayRunStill(h, o, a.Group) {
			c.fail("%s starts %s, which still runs on %s (lease for %v, keeper in %v)", h.Name, c.w.GroupName(a.Group), o.Name, o.kernel[i].expiry.Sub(o.now()), time.Duration(o.gangs[a.Group].until-c.w.Now))
		}
	}
}

// inOrder fails for a group that starts before one which it comes after, though
// this node has the grant for that one.
func (c *checker) inOrder(h *Host, gang *gang) {
	for _, before := range gang.plan().After {
		state, phase := h.machine.Groups().Look(before).State, h.machine.Tokens().Phase(h.gangs[before].token())
		if state != services.Idle && state != services.Running && state != services.Broken && (phase == token.Taking || phase == token.Holding) {
			c.fail("%s starts %s before %s, which is %v", h.Name, c.w.GroupName(gang.number), c.w.GroupName(before), state)
		}
	}
}

// mayRunStill reports whether the group may be left on o while h starts it.
func (c *checker) mayRunStill(h, o *Host, g int) bool {
	gang := &o.gangs[g]
	switch {
	case c.brokePromise(h, o, gang.token()):
		return true
	case c.lasting(gang.token()):
		return false
	}
	return !gang.guarded || !o.Answers(gang.token()) && c.w.Now <= gang.until || c.excused(int(h.Slot-1), int(o.Slot-1), gang.token())
}

// countStart fails for a group that goes on being started though nothing else
// happens.
func (c *checker) countStart(g int) {
	n := &c.groups
	if n.since != c.disturbed {
		clear(n.starts)
		n.since = c.disturbed
	}
	n.starts[g]++
	if most := c.w.Plan.Nodes * (c.w.Plan.Groups[g].Attempts + 4); n.starts[g] > most {
		c.fail("%s was started %d times since %v", c.w.GroupName(g), n.starts[g], time.Duration(n.since))
	}
}

// said notes which tokens a node's next words call idle. Those that echo nobody
// are believed by nobody: a daemon that begins speaks before it has adopted all.
func (c *checker) said(h *Host, words *node.Payload) {
	if len(h.gangs) == 0 {
		return
	}
	idle := c.groups.idle[h.Slot-1]
	clear(idle)
	if len(words.Echoes) == 0 {
		return
	}
	for _, x := range words.Claims {
		for g := range h.gangs {
			if i := h.gangs[g].token(); c.w.specs[i].ID == x.Token {
				idle[i] = token.Phase(x.Phase) == token.Idle
			}
		}
	}
}

// speaking fails if a node is about to say that it doesn't hold a group of which
// something is left on it.
func (c *checker) speaking(h *Host) {
	for g := range h.gangs {
		if i := h.gangs[g].token(); c.groups.idle[h.Slot-1][i] && h.gangs[g].left() {
			c.fail("%s says that it doesn't hold %s, which is left there", h.Name, c.w.GroupName(g))
		}
	}
}

// service watches what a machine says of a group.
func (c *checker) service(h *Host, a services.Action) {
	switch a := a.(type) {
	case services.Changed:
		v := h.machine.Groups().Look(a.Group)
		c.Groups[v.State]++
		c.trace("%s: %s is %v %s", h.Name, c.w.GroupName(a.Group), v.State, v.Text)
		locked := h.machine.Groups().GivenUp(a.Group)
		if was := &c.groups.locked[h.Slot-1][a.Group]; *was != locked {
			*was = locked
			if locked {
				c.happened(locks)
			}
		}
	case services.Failed:
		c.happened(surrenders)
	}
}

// able reports whether the group of the token could run on the host; vips always.
func (c *checker) able(h *Host, i int) bool {
	if !c.w.isGroup(i) {
		return true
	}
	gang := h.gangOf(i)
	return gang.faults.none() && !h.disk.halted[c.w.specs[i].Name] && (h.machine == nil || !h.machine.Groups().GivenUp(gang.number))
}

// groupDisorder names what is not as promised of groups in a calm: what runs is
// whole, nothing is left anywhere else, and no token stays on a node against
// which something speaks while there is one against which nothing does.
func (c *checker) groupDisorder() string {
	for g := range c.w.Plan.Groups {
		for _, h := range c.w.Hosts {
			gang := &h.gangs[g]
			i := gang.token()
			switch {
			case !h.Running() || !gang.faults.none():
			case h.Answers(i) && !gang.whole():
				return fmt.Sprintf("%s is not whole on %s", c.w.GroupName(g), h.Name)
			case h.disk.halted[c.w.specs[i].Name] && gang.left():
				return fmt.Sprintf("%s runs on %s, where an operator stopped it", c.w.GroupName(g), h.Name)
			case !h.Answers(i) && gang.left():
				return fmt.Sprintf("something of %s is left on %s", c.w.GroupName(g), h.Name)
			}
		}
	}
	if len(c.w.Plan.Groups) == 0 {
		return ""
	}
	for i := range c.w.specs {
		if what := c.misplaced(i); what != "" {
			return what
		}
	}
	for g := range c.w.Plan.Groups {
		for _, other := range c.w.Plan.Groups[g].With {
			if what := c.apart(g, other); what != "" {
				return what
			}
		}
	}
	return ""
}

// apart names a group that is not on the node of the one it is to be with, though
// that node is fit for it. Of two that name each other the first need not follow.
func (c *checker) apart(g, other int) string {
	if slices.Contains(c.w.Plan.Groups[other].With, g) && g < other {
		return ""
	}
	on, there := c.holderOf(c.w.Plan.Tokens+g), c.holderOf(c.w.Plan.Tokens+other)
	if on == 0 || there == 0 || on == there {
		return ""
	}
	h := c.w.Hosts[there-1]
	if !h.Running() || !h.machine.Tokens().Status(h.now(), c.w.Plan.Tokens+g).Reasons.Eligible() {
		return ""
	}
	return fmt.Sprintf("%s is on %d, though %s is on %d", c.w.GroupName(g), on, c.w.GroupName(other), there)
}

func (c *checker) misplaced(i int) string {
	if c.w.specs[i].Bits&token.AllowMultiple != 0 {
		return ""
	}
	for _, h := range c.w.Hosts {
		if !h.Running() || !h.Answers(i) || h.machine.Tokens().Status(h.now(), i).Reasons&(token.GroupDown|token.Apart) == 0 && c.fed(h, i) {
			continue
		}
		for _, o := range c.w.Hosts {
			if o != h && o.Running() && c.fed(o, i) && o.machine.Tokens().Status(o.now(), i).Reasons.Eligible() {
				return fmt.Sprintf("%s is left on %s, though %s is fit", c.w.specs[i].Name, h.Name, o.Name)
			}
		}
	}
	return ""
}

// fed reports whether what the token requires runs on the host.
func (c *checker) fed(h *Host, i int) bool {
	if c.w.isGroup(i) || i >= len(c.w.Plan.Requires) {
		return true
	}
	for _, g := range c.w.Plan.Requires[i] {
		if !h.gangs[g].whole() || h.gangs[g].faults.sick > 0 {
			return false
		}
	}
	return true
}
