package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"vipd/services"
	"vipd/services/unit"
	"vipd/token"
	"vipd/vipd/config"
	"vipd/vipd/control"
	"vipd/vipd/node"
)

// man gives every group of the configuration a crew, and tells those that have one
// what is new. A number that has become another group's begins anew.
func (d *Daemon) man() {
	l := d.loop
	for _, g := range d.cluster().settings.Groups {
		number := l.machine.Groups().Number(g.Name)
		c := l.crews[number]
		if c == nil || c.name != g.Name {
			c = d.crew(number, g.Name)
			l.crews[number] = c
			d.launch(c.run)
		}
		c.set(g)
	}
}

func (d *Daemon) crew(number int, name string) *crew {
	return &crew{number: number, name: name, node: d.cluster().self.Name, runDir: d.options.RunDir, dead: d.deadman, tell: d.tell, log: d.log,
		change: make(chan struct{}, 1), spawn: func(h *hand) { d.launch(h.run) }}
}

// launch runs f until the daemon ends, from when it runs on.
func (d *Daemon) launch(f func(context.Context)) {
	if d.start == nil {
		d.waiting = append(d.waiting, f)
		return
	}
	d.start(f)
}

// service does what the machine says of a group; it does not wait.
func (l *loop) service(a services.Action) {
	switch a := a.(type) {
	case services.Start:
		l.crews[a.Group].do(a)
	case services.Stop:
		l.crews[a.Group].do(a)
	case services.Probe:
		l.crews[a.Group].do(a)
	case services.Changed:
		l.journal.group(l.crews[a.Group].name, l.machine.Groups().Look(a.Group))
	case services.Failed:
		l.journal.add(l.journal.say("alarm", "group %s: given up here: %s", l.crews[a.Group].name, a.Text))
	}
}

// group notes how the group is doing, when its state or its text is another.
func (j *journal) group(name string, v services.View) {
	text := fmt.Sprintf("group %s: %v", name, v.State)
	if v.Text != "" {
		text += ": " + v.Text
	}
	if j.groups[name] == text {
		return
	}
	j.groups[name] = text
	e := control.Event{Kind: "group", Token: groupPrefix + name, Node: j.names().self.Name, To: v.State.String(), Epoch: v.Epoch, Text: text}
	switch v.State {
	case services.Failing, services.Broken:
		e.Cause = control.UnitFailed
	case services.Blocked:
		e.Kind = "alarm"
	}
	j.add(e)
}

// vet refuses units that can't be ours to start: one that systemd starts by itself
// at boot would run on every node.
func vet(ctx context.Context, groups []config.Group, runDir string) error {
	ctx, cancel := context.WithTimeout(ctx, vetLimit)
	defer cancel()
	var wrong []error
	for _, g := range groups {
		for _, text := range g.Units {
			if err := vetUnit(ctx, g.Name, text, runDir); err != nil {
				wrong = append(wrong, fmt.Errorf("group.%s.units: %w", g.Name, err))
			}
		}
	}
	if wrong == nil {
		return nil
	}
	return control.Errorf(control.CodeInvalid, "%v", errors.Join(wrong...))
}

// vetLimit is how long systemd may take to answer.
const vetLimit = 10 * time.Second

func vetUnit(ctx context.Context, group, text, runDir string) error {
	u, err := unit.New(text, unit.Options{Group: group, Dir: runDir + "/units"})
	if err != nil {
		return err
	}
	defer u.Close()
	if c, ok := u.(unit.Checker); ok {
		return c.Check(ctx)
	}
	return nil
}

// muster finds out, before the first heartbeat, what an earlier daemon left of each
// group. What may run on is adopted under its old epoch: by a lease that lasts; or
// because nobody else can have taken, by the record of this boot; or because
// everybody may run it. The rest is stopped.
func (d *Daemon) muster(left []row, disk *store) error {
	for _, c := range d.loop.crews {
		running, any, err := c.found()
		if err != nil {
			return fmt.Errorf("group %s: %w", c.name, err)
		}
		if !any {
			continue
		}
		i := d.loop.number(c.token())
		if r, ok := d.heir(i, c, left, disk); ok {
			d.rejoin(i, c, r, running)
			continue
		}
		d.log.Info("stopping what an earlier daemon left of a group, for its lease has ended", "group", c.name)
		if err := c.clear(); err != nil {
			return fmt.Errorf("group %s: stop what an earlier daemon left: %w", c.name, err)
		}
	}
	if d.deadman == nil {
		return nil
	}
	swept, err := unit.Sweep(context.Background(), "", d.ownUnits())
	for _, folder := range swept {
		d.log.Info("stopped what an earlier daemon left of a unit that is not configured any more", "cgroup", folder)
	}
	return err
}

// heir returns under which grant the group may go on.
func (d *Daemon) heir(i int, c *crew, left []row, disk *store) (row, bool) {
	r, known := leftOf(left, token.ID(c.token()))
	bits := d.loop.machine.Tokens().Spec(i).Bits
	record := disk.record(c.token())
	switch {
	case known && r.adoptable(d.clocks.boot(), d.loop.longest):
		return r, true
	case bits&token.DisableInheritance != 0 && record.Holder:
		return row{id: token.ID(c.token()), epoch: record.Epoch, since: d.clocks.boot()}, true
	case bits&token.AllowMultiple != 0 && known:
		return r, true
	}
	return row{}, false
}

// rejoin goes on with the group under the grant.
func (d *Daemon) rejoin(i int, c *crew, r row, running []bool) {
	l := d.loop
	now := d.clocks.boot()
	l.owns.Store(c.token(), i)
	l.step(token.Adopt{Token: i, Epoch: r.epoch, Expiry: max(r.expiry, now), Tenure: now.Sub(r.since), Pinned: r.pinned})
	if err := c.guard(); err != nil {
		d.log.Error("could not put a group's lease in force again", "group", c.name, "err", err)
	}
	l.step(services.Adopt{Group: c.number, Epoch: r.epoch, Running: running})
}

func (d *Daemon) ownUnits() (list []unit.Unit) {
	for _, c := range d.loop.crews {
		for _, h := range c.hands {
			if u, err := h.fresh(nil); err == nil {
				list = append(list, u)
			}
		}
	}
	return list
}

// found adopts the watching of every unit that runs.
func (c *crew) found() (running []bool, any bool, err error) {
	for _, h := range c.hands {
		on, err := h.adopt(context.Background())
		if err != nil {
			return nil, false, err
		}
		running, any = append(running, on), any || on
	}
	return running, any, nil
}

// clear stops every unit that was found, the last first.
func (c *crew) clear() error {
	var errs []error
	for i := len(c.hands) - 1; i >= 0; i-- {
		if u := c.hands[i].live; u != nil {
			errs = append(errs, u.Stop(context.Background()))
			c.hands[i].close()
		}
	}
	c.left()
	return errors.Join(errs...)
}

// groupStatus is every group of the configuration as it lives here.
func (d *Daemon) groupStatus() (list []control.GroupStatus) {
	for _, g := range d.cluster().settings.Groups {
		number := d.loop.machine.Groups().Number(g.Name)
		c := d.loop.crews[number]
		if c == nil {
			continue
		}
		v := d.loop.machine.Groups().Look(number)
		s := control.GroupStatus{Name: g.Name, Kind: g.Kind, Token: g.Token(), Run: "one", State: v.State.String(), Epoch: v.Epoch,
			Text: v.Text, Restarts: v.Restarts, Contained: c.contained()}
		if g.Both {
			s.Run = "both"
		}
		for i, u := range v.Units {
			if i < len(g.Units) {
				s.Units = append(s.Units, control.UnitStatus{Name: g.Units[i], State: u.State.String(), Text: u.Text})
			}
		}
		for i, check := range v.Checks {
			if i < len(g.Checks) {
				s.Checks = append(s.Checks, control.CheckStatus{Name: g.Checks[i].Target, Healthy: check.Healthy, InARow: check.InARow, Text: check.Text})
			}
		}
		list = append(list, s)
	}
	return list
}

// Group does what an operator wants of a group: on one node, or on every node that
// is heard. A restart goes from node to node, where it does not serve first.
func (d *Daemon) Group(ctx context.Context, o control.GroupOrder) error {
	verb := map[string]node.Verb{control.GroupStart: node.Begin, control.GroupStop: node.Halt, control.GroupRestart: node.Renew}[o.Verb]
	what := o.Verb + " group " + o.Name
	nodes := []string{o.Node}
	if o.Node == "" {
		nodes = d.inTurn(groupPrefix + o.Name)
	}
	var errs []error
	if o.Both || verb != node.Renew {
		done := make(chan error, len(nodes))
		for _, n := range nodes {
			go func() { done <- d.orderGroup(ctx, verb, o.Name, n, what) }()
		}
		for range nodes {
			errs = append(errs, <-done)
		}
		return errors.Join(errs...)
	}
	for _, n := range nodes {
		if err := d.orderGroup(ctx, verb, o.Name, n, what); err != nil {
			return err // the others run on as they are
		}
	}
	return nil
}

func (d *Daemon) orderGroup(ctx context.Context, verb node.Verb, group, name, what string) error {
	reply, err := d.ask(ctx, node.Command{Verb: verb, Node: d.cluster().slot(name)}, groupPrefix+group)
	if err == nil {
		err = outcome(reply, what+" on "+name)
	}
	return err
}

// inTurn lists the nodes that are heard, those that hold no address that needs the
// group first.
func (d *Daemon) inTurn(tokenName string) (list []string) {
	s := d.Status()
	serves := map[string]bool{}
	for _, v := range d.cluster().settings.VIPs {
		for _, g := range v.Requires {
			if groupPrefix+g == tokenName {
				serves[tokenOf(s, v.Token()).Holder] = true
			}
		}
	}
	var last []string
	for _, n := range s.Nodes {
		switch {
		case n.State == control.NodeSilent || n.State == control.NodeUnknown:
		case serves[n.Name]:
			last = append(last, n.Name)
		default:
			list = append(list, n.Name)
		}
	}
	return append(list, last...)
}

// kindOf is the kind of token, by its name.
func kindOf(name string) string {
	kind, _, _ := strings.Cut(name, ":")
	return kind
}
