package node

import (
	"slices"

	"vipd/heartbeat"
	"vipd/heartbeat/clock"
	"vipd/token"
)

// command is an operator's order under way. Until a channel between the nodes
// exists it travels in the heartbeat, repeated until a receipt comes back.
type command struct {
	Command
	order uint32 // ID of the order to another node, 0 if none is open
	to    uint8  // that node
	limit clock.Instant
	moved clock.Instant // a move is done but for the proof since, 0 if not
}

// receipt is kept for as long as its order is repeated. One for a group's stop or
// restart is said only when that is done.
type receipt struct {
	heartbeat.Receipt
	session uint64
	undone  bool
	command command
}

// order takes an operator's command, does it here or sends it where it belongs.
func (m *Machine) order(now clock.Instant, c Command) {
	if len(m.commands) == maxCommands {
		m.do(Reply{ID: c.ID, Why: token.UnderWay})
		return
	}
	to := c.Node
	if c.Verb == Move || c.Verb == Unpin {
		if to = m.tokens.Active(now, c.Token); to == 0 {
			m.do(Reply{ID: c.ID, Why: token.NotHeld})
			return
		}
	}
	cmd := command{Command: c, to: to, limit: now.Add(m.patience(c))}
	if to != m.config.Self {
		m.orders++
		cmd.order = m.orders
		m.commands = append(m.commands, cmd)
		m.decide(now, token.BumpRevision{})
		return
	}
	m.commands = append(m.commands, cmd)
	m.execute(now, c)
}

// execute carries out an order on this node.
func (m *Machine) execute(now clock.Instant, c Command) {
	switch c.Verb {
	case Move:
		m.decide(now, token.Move{Token: c.Token, To: c.Node})
	case Unpin:
		m.decide(now, token.Unpin{Token: c.Token})
	case Suspend, Resume:
		m.suspended = c.Verb == Suspend
		m.do(KeepSuspended{On: m.suspended})
		m.updateEligibility(now)
	case Take:
		m.decide(now, token.OperatorOverride{Token: c.Token})
	case Halt, Begin, Renew:
		m.runGroupOrder(c)
	}
}

// refused answers the caller that waits for the token's move.
func (m *Machine) refused(r token.Refused) {
	for i := range m.commands {
		if c := &m.commands[i]; c.Verb == Move && c.Token == r.Token && c.order == 0 {
			m.finish(i, r.Why)
			return
		}
	}
	m.refusal = r.Why
}

func (m *Machine) finish(i int, why token.Refusal) {
	m.do(Reply{ID: m.commands[i].ID, Why: why})
	m.commands = append(m.commands[:i], m.commands[i+1:]...)
}

// command looks which of the commands under way are done, or out of time.
func (m *Machine) command(now clock.Instant) {
	m.sign(now)
	for i := 0; i < len(m.commands); {
		c := &m.commands[i]
		switch {
		case m.done(now, c):
			m.finish(i, token.Accepted)
		case now >= c.limit:
			m.do(Reply{ID: c.ID, Late: true})
			m.commands = append(m.commands[:i], m.commands[i+1:]...)
		default:
			i++
		}
	}
}

// done reports whether the command's effect is seen.
func (m *Machine) done(now clock.Instant, c *command) bool {
	if c.order != 0 {
		return false
	}
	switch c.Verb {
	case Take:
		return m.tokens.Active(now, c.Token) == c.Node
	case Move:
		_, holders := m.tokens.Holder(now, c.Token)
		if m.tokens.Active(now, c.Token) != c.Node || holders != 1 {
			c.moved = 0 // it went on: there is no proof to wait for
			return false
		}
		if !m.tokens.Spec(c.Token).Probeable {
			return true
		}
		if c.moved == 0 {
			c.moved = now
		}
		return m.tokens.Proved(c.Token, c.Node) || now >= c.moved.Add(proveLimit)
	case Suspend, Resume:
		if c.Node != m.config.Self {
			p := m.beats.Peer(c.Node)
			return p != nil && (p.State == heartbeat.Suspended) == (c.Verb == Suspend)
		}
		return c.Verb == Resume || m.tokens.Idle()
	case Halt, Begin, Renew:
		return c.Node != m.config.Self || m.groupOrderDone(c)
	}
	return true
}

// runOrder carries out the orders of a peer's message, each once, and takes its receipts.
func (m *Machine) runOrder(now clock.Instant, w *heartbeat.Report) {
	session := m.beats.Peer(w.From).Session
	for _, o := range w.Message.Orders {
		if o.Slot == m.config.Self && !m.answered(w.From, session, o.ID) {
			m.answer(now, w.From, session, o)
		}
	}
	for _, r := range w.Message.Receipts {
		if r.Slot == m.config.Self {
			m.received(w.From, r)
		}
	}
}

// answered reports whether an order was carried out before. Its receipt is said anew if
// there is no more room for it beside newer ones.
func (m *Machine) answered(from uint8, session uint64, id uint32) bool {
	i := slices.IndexFunc(m.receipts, func(r receipt) bool { return r.Slot == from && r.session == session && r.ID == id })
	if i < 0 {
		return false
	}
	if i < len(m.receipts)-heartbeat.MaxOrders {
		r := m.receipts[i]
		m.receipts = append(slices.Delete(m.receipts, i, i+1), r)
	}
	return true
}

// receiptsKept is for as many orders as all other nodes can give at a time: one that was
// forgotten would be carried out again.
const receiptsKept = heartbeat.MaxOrders * heartbeat.MaxNodes

// answer executes a peer's order and keeps the receipt.
func (m *Machine) answer(now clock.Instant, from uint8, session uint64, o heartbeat.Order) {
	c := Command{Verb: Verb(o.Verb), Node: o.To}
	m.refusal = token.Accepted
	i, known := m.numbers[o.Token]
	switch {
	case c.Verb < Move || c.Verb > Renew:
		m.refusal = token.NoSuchNode
	case c.Verb.ofToken() && !known:
		m.refusal = token.NotHeld
	default:
		c.Token = i
		m.execute(now, c)
	}
	r := receipt{Receipt: heartbeat.Receipt{Slot: from, ID: o.ID, Result: uint8(m.refusal)}, session: session, command: command{Command: c}}
	r.undone = m.refusal == token.Accepted && (c.Verb == Halt || c.Verb == Renew)
	m.receipts = append(m.receipts, r)
	if len(m.receipts) > receiptsKept {
		m.receipts = m.receipts[1:]
	}
	m.decide(now, token.BumpRevision{})
}

// received ends the waiting for a receipt; the effect of the order is then watched.
func (m *Machine) received(from uint8, r heartbeat.Receipt) {
	for i := range m.commands {
		if c := &m.commands[i]; c.to == from && c.order == r.ID {
			c.order = 0
			if r.Result != 0 {
				m.finish(i, token.Refusal(r.Result))
			}
			return
		}
	}
}

// openOrders returns the orders still without a receipt.
func (m *Machine) openOrders() (list []heartbeat.Order) {
	for i := range m.commands {
		if c := &m.commands[i]; c.order != 0 && len(list) < heartbeat.MaxOrders {
			o := heartbeat.Order{Slot: c.to, Verb: uint8(c.Verb), To: c.Node, ID: c.order}
			if c.Verb.ofToken() {
				o.Token = m.tokens.Spec(c.Token).ID
			}
			list = append(list, o)
		}
	}
	return list
}

func (m *Machine) openReceipts() (list []heartbeat.Receipt) {
	for _, r := range m.receipts[max(0, len(m.receipts)-heartbeat.MaxOrders):] {
		if !r.undone {
			list = append(list, r.Receipt)
		}
	}
	return list
}

// sign makes receipts of orders that have been carried out.
func (m *Machine) sign(now clock.Instant) {
	for i := range m.receipts {
		if r := &m.receipts[i]; r.undone && m.groupOrderDone(&r.command) {
			r.undone = false
			m.decide(now, token.BumpRevision{})
		}
	}
}
