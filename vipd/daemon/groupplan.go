package daemon

import (
	"fmt"
	"slices"
	"strings"

	"vipd/token"
	"vipd/vipd/control"
	"vipd/vipd/daemon/cluster"
)

// groupPlan says what an operator's order of a group would bring about, from what this
// node knows now. It promises an outage where an address would move in order, and none
// for units: only they know how long they take to stop and to start.
type groupPlan struct {
	order  control.GroupOrder
	token  control.TokenStatus
	needs  []control.TokenStatus // addresses that require the group
	nodes  []string              // those ordered, in their order
	parts  []string              // of what is said
	change control.Change
}

// planGroup returns what the order would do.
func (d *Daemon) planGroup(o control.GroupOrder, nodes []string) control.Change {
	s := d.Status()
	p := groupPlan{order: o, token: tokenOf(s, cluster.GroupPrefix+o.Name), nodes: nodes}
	for _, v := range d.cluster().Settings.VIPs {
		if slices.Contains(v.Requires, o.Name) {
			p.needs = append(p.needs, tokenOf(s, v.Token()))
		}
	}
	return p.told()
}

func (p *groupPlan) told() control.Change {
	switch p.order.Verb {
	case control.GroupStart:
		p.start()
	case control.GroupStop:
		p.stop()
	case control.GroupRestart:
		p.restart()
	}
	p.change.DryRun, p.change.Text = true, strings.Join(p.parts, "; ")
	return p.change
}

func (p *groupPlan) say(format string, args ...any) {
	p.parts = append(p.parts, fmt.Sprintf(format, args...))
}

// moves notes that a token would go from a node to another.
func (p *groupPlan) moves(t control.TokenStatus, from, to string) {
	m := control.MoveResult{Token: t.Name, From: from, To: to, DryRun: true}
	if kindOf(t.Name) == "vip" {
		m.ExpectedOutageMS = plannedOutage
	}
	p.change.Moves = append(p.change.Moves, m)
	p.change.ExpectedOutageMS = max(p.change.ExpectedOutageMS, m.ExpectedOutageMS)
}

// runs lists those of the ordered nodes that run the group.
func (p *groupPlan) runs() (list []string) {
	for _, n := range p.nodes {
		if slices.Contains(p.token.Holders, n) {
			list = append(list, n)
		}
	}
	return list
}

// start: an operator's stop and the failures are forgotten.
func (p *groupPlan) start() {
	able := p.able()
	switch many := p.token.Bits.AllowMultiple; {
	case len(able) > 0 && many:
		p.say("%s would be started on %s", p.order.Name, and(able))
	case len(able) > 0 && len(p.token.Holders) == 0:
		p.say("%s would be started on %s", p.order.Name, able[0])
	case len(p.token.Holders) > 0:
		p.say("%s is on %s already; what it failed with would be forgiven", p.order.Name, and(p.token.Holders))
	default:
		p.say("%s would be allowed to run on %s, but no node is fit for it now", p.order.Name, and(p.nodes))
	}
}

// able lists the ordered nodes that don't run the group and would be fit for it once it
// is started, the preferred one first.
func (p *groupPlan) able() (list []string) {
	ends := (token.Released | token.GaveUp).Words()
	priority := map[string]int{}
	for _, e := range p.token.Eligible {
		against := slices.DeleteFunc(slices.Clone(e.Reasons), func(why string) bool { return slices.Contains(ends, why) })
		barred := !e.Fit && (len(against) > 0 || len(e.Reasons) == 0)
		if !barred && slices.Contains(p.nodes, e.Node) && !slices.Contains(p.token.Holders, e.Node) {
			list, priority[e.Node] = append(list, e.Node), e.Priority
		}
	}
	slices.SortStableFunc(list, func(a, b string) int { return priority[b] - priority[a] })
	return list
}

func (p *groupPlan) stop() {
	running := p.runs()
	if len(running) == 0 {
		p.say("%s does not run on %s, and would not be started there", p.order.Name, and(p.nodes))
		return
	}
	p.say("%s would be stopped on %s", p.order.Name, and(running))
	next := ""
	if !p.token.Bits.AllowMultiple {
		if next = p.heir(p.token, p.nodes); next != "" {
			p.moves(p.token, running[0], next)
		} else if p.order.Node != "" {
			p.say("no other node is fit to run it")
		}
	}
	for _, t := range p.needs {
		p.leave(t, running, p.nodes, next)
	}
}

func (p *groupPlan) restart() {
	running := p.runs()
	if len(running) == 0 {
		p.say("%s does not run on %s: nothing to restart", p.order.Name, and(p.nodes))
		return
	}
	if len(running) > 1 && p.order.Both {
		p.say("%s would be restarted on %s at once", p.order.Name, and(running))
	} else {
		p.say("%s would be restarted on %s", p.order.Name, strings.Join(running, ", then "))
	}
	down := running
	for _, t := range p.needs {
		if !p.order.Both {
			down = []string{t.Holder} // one after the other
		}
		p.leave(t, running, down, "")
	}
}

// leave says what becomes of an address when the group ends where it is held; next is
// where the group goes, if anywhere.
func (p *groupPlan) leave(t control.TokenStatus, running, down []string, next string) {
	if !slices.Contains(running, t.Holder) {
		return
	}
	to := p.heir(t, down)
	switch {
	case to != "":
		p.moves(t, t.Holder, to)
	case next != "":
		p.say("%s would follow to %s when it runs there", t.Name, next)
	case p.order.Both && p.heir(t, []string{t.Holder}) != "":
		p.say("%s would be without it, and with the node that runs it again first", t.Name)
	case p.order.Verb == control.GroupRestart:
		p.say("%s would stay on %s, without it until it runs again", t.Name, t.Holder)
	default:
		p.say("%s would stay on %s, without it: no other node is fit", t.Name, t.Holder)
	}
}

// heir is who would hold the token if not these nodes; "" if nobody.
func (p *groupPlan) heir(t control.TokenStatus, without []string) string {
	t.Eligible = slices.DeleteFunc(slices.Clone(t.Eligible), func(e control.Eligibility) bool { return slices.Contains(without, e.Node) })
	return preferred(t)
}

// and lists names as a person does.
func and(names []string) string {
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return strings.Join(names, "")
}
