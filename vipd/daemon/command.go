package daemon

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"vipd/token"
	"vipd/vipd/control"
	"vipd/vipd/node"
)

// plannedOutage is what a client of the address is expected to see of a planned
// move, in milliseconds: removal, one datagram, addition and announcement.
const plannedOutage = 3

// ask gives the machine a command about the named token, if any, and waits for
// its reply.
func (d *Daemon) ask(ctx context.Context, c node.Command, name string) (node.Reply, error) {
	reply := make(chan node.Reply, 1)
	give := callOnLoop{func() {
		if name != "" {
			if c.Token = d.loop.number(name); c.Token < 0 {
				reply <- node.Reply{Why: token.NotHeld}
				return
			}
		}
		d.loop.lastID++
		c.ID = d.loop.lastID
		d.loop.replies[c.ID] = reply
		d.loop.step(c)
	}}
	if !d.loop.post(give, ctx.Done()) {
		return node.Reply{}, ctx.Err()
	}
	select {
	case r := <-reply:
		return r, nil
	case <-ctx.Done():
		return node.Reply{}, ctx.Err()
	}
}

// outcome turns a reply into an error, or none.
func outcome(r node.Reply, what string) error {
	switch {
	case r.Late:
		return control.Errorf(control.CodeTimeout, "%s: ordered, but not seen done in time", what)
	case r.Why != token.Accepted:
		return control.Errorf(control.CodeFailed, "%s: %v", what, r.Why)
	}
	return nil
}

// Move gives the token to the node and pins it there.
func (d *Daemon) Move(ctx context.Context, r control.MoveRequest) (control.MoveResult, error) {
	before := tokenOf(d.Status(), r.Token)
	result := control.MoveResult{Token: r.Token, From: before.Holder, To: r.To, DryRun: r.DryRun}
	if before.Holder != r.To && kindOf(r.Token) == "vip" {
		result.ExpectedOutageMS = plannedOutage
	}
	if before.Holder == "" && !r.Force {
		return result, control.Errorf(control.CodeUnsafe, "move %s to %s: no node that is heard holds it; if you know that every other node is off, --force has %s take it", r.Token, r.To, r.To)
	}
	if r.DryRun {
		for _, e := range before.Eligible {
			if e.Node == r.To && !e.Fit {
				return result, notFit(before, r)
			}
		}
		return result, nil
	}
	verb := node.Move
	if before.Holder == "" {
		verb = node.Take
	}
	begin := time.Now()
	reply, err := d.ask(ctx, node.Command{Verb: verb, Node: d.cluster().Slot(r.To)}, r.Token)
	result.TookMS = control.Milliseconds(time.Since(begin))
	switch {
	case err != nil:
	case reply.Why == token.NotFit:
		err = notFit(before, r)
	default:
		err = outcome(reply, fmt.Sprintf("move %s to %s", r.Token, r.To))
	}
	result.Epoch = tokenOf(d.Status(), r.Token).Epoch
	return result, err
}

// notFit says what speaks against the node.
func notFit(t control.TokenStatus, r control.MoveRequest) error {
	why := "see `vipd status`"
	for _, e := range t.Eligible {
		if e.Node == r.To && len(e.Reasons) > 0 {
			why = strings.Join(e.Reasons, ", ")
		}
	}
	return control.Errorf(control.CodeFailed, "move %s to %s: the node is not fit to take it: %s", r.Token, r.To, why)
}

func tokenOf(s control.Status, name string) control.TokenStatus {
	for _, t := range s.Tokens {
		if t.Name == name {
			return t
		}
	}
	return control.TokenStatus{}
}

// Release gives the token back to policy.
func (d *Daemon) Release(ctx context.Context, r control.ReleaseRequest) (control.Change, error) {
	t := tokenOf(d.Status(), r.Token)
	change := control.Change{Text: r.Token + " is given back to policy", DryRun: r.DryRun}
	if t.PinnedTo == "" {
		change.Text = r.Token + " follows policy already"
	} else if best := preferred(t); best != t.Holder && t.Bits.AutoFailback {
		change.Moves = []control.MoveResult{{Token: r.Token, From: t.Holder, To: best, ExpectedOutageMS: plannedOutage, DryRun: r.DryRun}}
		change.ExpectedOutageMS = plannedOutage
	}
	if t.PinnedTo == "" {
		return change, nil
	}
	if r.DryRun {
		change.Text = r.Token + " would be given back to policy"
		return change, nil
	}
	begin := time.Now()
	reply, err := d.ask(ctx, node.Command{Verb: node.Unpin}, r.Token)
	if err == nil {
		err = outcome(reply, "release "+r.Token)
	}
	if err == nil {
		d.await(ctx, begin, &change)
	}
	return change, err
}

// await waits until the moves that are expected of a change are seen, and leaves
// in it those that are.
func (d *Daemon) await(ctx context.Context, begin time.Time, c *control.Change) {
	ctx, cancel := context.WithTimeout(ctx, moveWait)
	defer cancel()
	tick := time.NewTicker(moveLook)
	defer tick.Stop()
	var seen []control.MoveResult
	for expected := c.Moves; len(expected) > 0 && ctx.Err() == nil; {
		status := d.Status()
		expected = slices.DeleteFunc(slices.Clone(expected), func(m control.MoveResult) bool {
			t := tokenOf(status, m.Token)
			if t.Holder != m.To {
				return false
			}
			m.Epoch, m.TookMS = t.Epoch, control.Milliseconds(time.Since(begin))
			seen = append(seen, m)
			return true
		})
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	c.Moves = seen
}

// Moves that follow from a change are looked for so often and for so long; a
// failback delay, or a gate that is closed, makes them come later or not at all.
const (
	moveLook = 10 * time.Millisecond
	moveWait = time.Second
)

// preferred is the fit node of the highest priority.
func preferred(t control.TokenStatus) (name string) {
	best := -1
	for _, e := range t.Eligible {
		if e.Fit && e.Priority > best {
			best, name = e.Priority, e.Node
		}
	}
	return name
}

// Suspend takes a node out until Resume.
func (d *Daemon) Suspend(ctx context.Context, r control.SuspendRequest) (control.Change, error) {
	change := control.Change{Text: r.Node + " is suspended", DryRun: r.DryRun}
	for _, t := range d.Status().Tokens {
		heir := heirOf(t, r.Node)
		if heir == "" && !r.Force && !t.Bits.AllowMultiple {
			return change, control.Errorf(control.CodeUnsafe, "suspend %s: no other node is fit to hold %s; --force does it all the same", r.Node, t.Name)
		}
		if t.Holder == r.Node && heir != "" {
			change.Moves = append(change.Moves, control.MoveResult{Token: t.Name, From: r.Node, To: heir, ExpectedOutageMS: plannedOutage, DryRun: r.DryRun})
			change.ExpectedOutageMS = plannedOutage
		}
	}
	if r.DryRun {
		change.Text = r.Node + " would be suspended"
		return change, nil
	}
	begin := time.Now()
	err := d.order(ctx, node.Suspend, r.Node, "suspend "+r.Node)
	if err == nil {
		d.await(ctx, begin, &change)
	}
	return change, err
}

// heirOf is who would hold the token without the node.
func heirOf(t control.TokenStatus, without string) string {
	rest := t
	rest.Eligible = nil
	for _, e := range t.Eligible {
		if e.Node != without {
			rest.Eligible = append(rest.Eligible, e)
		}
	}
	return preferred(rest)
}

// Resume brings a node back.
func (d *Daemon) Resume(ctx context.Context, r control.ResumeRequest) (control.Change, error) {
	change := control.Change{Text: r.Node + " takes part again", DryRun: r.DryRun}
	if r.DryRun {
		change.Text = r.Node + " would take part again"
		return change, nil
	}
	return change, d.order(ctx, node.Resume, r.Node, "resume "+r.Node)
}

// order has a node do what is ordered; one that is not heard would let the
// operator wait for nothing.
func (d *Daemon) order(ctx context.Context, v node.Verb, name, what string) error {
	for _, n := range d.Status().Nodes {
		if n.Name == name && (n.State == control.NodeSilent || n.State == control.NodeUnknown) {
			return control.Errorf(control.CodeFailed, "%s: the node is not heard; order it there, or when it is back", what)
		}
	}
	reply, err := d.ask(ctx, node.Command{Verb: v, Node: d.cluster().Slot(name)}, "")
	if err != nil {
		return err
	}
	return outcome(reply, what)
}

// Restart has the daemon execute itself anew; it keeps what it holds.
func (d *Daemon) Restart(ctx context.Context, r control.RestartRequest) (control.Change, error) {
	change := control.Change{Text: "the daemon restarts and keeps what it holds", DryRun: r.DryRun}
	if r.DryRun {
		change.Text = "the daemon would restart and keep what it holds"
		return change, nil
	}
	if !d.loop.post(node.Restart{}, ctx.Done()) {
		return change, ctx.Err()
	}
	return change, nil
}
