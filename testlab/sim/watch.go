package sim

import (
	"math/bits"
	"time"

	"vipd/heartbeat"
	"vipd/heartbeat/clock"
	"vipd/services"
	"vipd/token"
	"vipd/vipd/node"
)

// order is an operator's command that waits for its reply.
type order struct {
	node.Command
	host *Host
	life int
	at   int64
}

// ordered notes a command given to the host.
func (c *checker) ordered(h *Host, cmd node.Command) {
	c.orders[cmd.ID] = order{Command: cmd, host: h, life: h.life, at: c.w.Now}
}

// replied checks that a command is answered once, and that an accepted move has
// ended where it was ordered.
func (c *checker) replied(h *Host, r node.Reply) {
	o, waits := c.orders[r.ID]
	if !waits {
		c.fail("%s replied to a command twice, or to none", h.Name)
	}
	delete(c.orders, r.ID)
	c.Replies[r.Why]++
	c.trace("%s replies %v late=%v", h.Name, r.Why, r.Late)
	if o.Verb == node.Move && r.Why == token.Accepted && !r.Late && !c.w.Hosts[o.Node-1].Answers(o.Token) && c.w.Now-c.disturbed > int64(settle) {
		c.fail("%s says that %s moved to %d, which it did not", h.Name, c.w.specs[o.Token].Name, o.Node)
	}
}

// unanswered fails for a command that a living daemon has forgotten.
func (c *checker) unanswered() {
	for _, o := range c.orders {
		if o.host.Running() && o.host.life == o.life && c.w.Now-o.at > int64(c.patience(&o)) {
			c.fail("%s never replied to a command of %v", o.host.Name, time.Duration(o.at))
		}
	}
}

// patience is how long a command may wait for its reply: it is given up after five seconds
// by a clock that may be a tenth slow, after five more where a take waits for a silence to
// be long, and later where units may have to stop.
func (c *checker) patience(o *order) time.Duration {
	d := 5 * time.Second
	switch {
	case o.Verb == node.Take:
		d += token.ForceAfter
	case o.Verb != node.Suspend && o.Verb != node.Resume && c.w.isGroup(o.Token):
		d += 3 * stopTimeout // of a group's two units, and one more by a reload
	}
	return d*10/9 + 500*time.Millisecond
}

// delivered checks the errand: the token is where it was ordered, or the order
// was refused.
func (c *checker) delivered(f Fault) {
	for _, o := range c.orders {
		if o.Verb == node.Move && o.at == int64(f.At) {
			c.fail("a move of %s took longer than %v", c.w.specs[o.Token].Name, f.For)
		}
	}
	if c.Replies[token.Accepted] > 0 && c.refusals() == 0 && c.holderOf(f.Amount) != uint8(f.A+1) {
		c.fail("%s was ordered to %c but is held by %d", c.w.specs[f.Amount].Name, 'a'+f.A, c.holderOf(f.Amount))
	}
}

func (c *checker) refusals() (n int) {
	for _, k := range c.Replies[token.Accepted+1:] {
		n += k
	}
	return n
}

// stepped looks at a machine after each step: one that would not sleep, and
// which phases it went through.
func (c *checker) stepped(h *Host, now clock.Instant) {
	if h.machine.Deadline() <= now {
		c.fail("%s: a deadline that has passed", h.Name)
	}
	if limit := (int(time.Duration(c.w.Now).Seconds()*busy) + burst) * (1 + c.w.Plan.Tokens/8) * max(1, c.w.Plan.Nodes/2); h.Steps > limit {
		c.fail("%s took %d steps in %v", h.Name, h.Steps, time.Duration(c.w.Now))
	}
	if seconds := time.Duration(c.w.Now).Seconds(); h.ticks > int(seconds*float64(c.w.Plan.wakes()))+wakesAtOnce {
		c.fail("%s woke up %d times in %v", h.Name, h.ticks, time.Duration(c.w.Now))
	}
	phases, tokens := c.phases[h.Slot-1], h.machine.Tokens()
	for i := range phases {
		if p := tokens.Phase(i); p != phases[i] {
			c.Moves[phases[i]][p]++
			phases[i] = p
		}
	}
}

// action watches what a machine asks for.
func (c *checker) action(h *Host, a node.Action) {
	c.observe(h, a)
	if s, ok := a.(heartbeat.Send); ok && c.replaying && s.Kind == heartbeat.Reply {
		c.fail("%s answers a recording", h.Name)
	}
	switch a := a.(type) {
	case token.Lease:
		if a.Limit != 0 {
			c.epoch(h, a)
		}
	case token.Acquire:
		c.Causes[a.Cause]++
		c.trace("%s take %s epoch %x (%v)", h.Name, c.w.specs[a.Token].Name, a.Epoch, a.Cause)
	case token.Drop:
		c.Causes[a.Cause]++
		c.trace("%s drop %s (%v)", h.Name, c.w.specs[a.Token].Name, a.Cause)
		if a.Cause == token.Priority && !c.outranked(h, a.Token) {
			c.fail("%s gave %s for priority's sake, though none is higher", h.Name, c.w.specs[a.Token].Name)
		}
	case token.Announce:
		if c.w.isGroup(a.Token) {
			c.fail("%s announces %s, which has no address", h.Name, c.w.specs[a.Token].Name)
		}
	case node.PeerEvent:
		c.trace("%s notes %c %v", h.Name, 'a'+a.Peer-1, a.Kind)
	case *node.Payload:
		c.States[a.State]++
		c.said(h, a)
		c.echoes(h, a.Echoes)
		for i := range a.Claims {
			c.Verbs[a.Claims[i].Verb]++
			c.reasons(token.Reason(a.Claims[i].Reasons))
			if x := &a.Claims[i]; x.Verb != 0 && a.Revision != c.editions[h.Slot-1] {
				c.trace("%s says %v %x to %d", h.Name, token.Verb(x.Verb), x.About, x.To)
			}
		}
		c.editions[h.Slot-1] = a.Revision
	case services.Action:
		c.service(h, a)
	case node.Reply:
		c.replied(h, a)
	}
}

// echoes are the newest sends that one run of a node has heard, by session.
type echoes struct {
	life int
	list []echo
}

type echo struct {
	session uint64
	sent    clock.Instant
}

// echoes checks that the newest send which a node says it has heard of a session
// never goes back: an older word that comes late must not count.
func (c *checker) echoes(h *Host, heard []heartbeat.PeerEcho) {
	e := &c.echoed[h.Slot-1]
	if e.life != h.life {
		*e = echoes{life: h.life, list: e.list[:0]}
	}
	for _, x := range heard {
		if x.Pending {
			continue // no lease rests on it
		}
		newest := e.of(x.Session)
		if x.Sent < newest.sent {
			c.fail("%s counts an older word of %c after a newer one", h.Name, 'a'+x.Slot-1)
		}
		newest.sent = x.Sent
	}
}

func (e *echoes) of(session uint64) *echo {
	for i := len(e.list) - 1; i >= 0; i-- {
		if e.list[i].session == session {
			return &e.list[i]
		}
	}
	e.list = append(e.list, echo{session: session})
	return &e.list[len(e.list)-1]
}

func (c *checker) reasons(r token.Reason) {
	for ; r != 0; r &= r - 1 {
		c.Reasons[bits.TrailingZeros32(uint32(r))]++
	}
}

// outranked reports whether failback is on and another node has the higher
// priority.
func (c *checker) outranked(h *Host, i int) bool {
	if c.w.isGroup(i) && h.gangOf(i).plan().With != nil {
		return true // it may follow another
	}
	if c.w.Plan.Extras&(Reloads|Differ) != 0 {
		return true // by its own file
	}
	for _, p := range c.w.Plan.Priority {
		if p > c.w.Plan.Priority[h.Slot-1] {
			return c.w.specs[i].Bits&token.AutoFailback != 0
		}
	}
	return false
}
