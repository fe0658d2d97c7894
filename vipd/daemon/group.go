package daemon

import (
	"context"
	"strings"

	"vipd/services"
	"vipd/vipd/control"
	"vipd/vipd/daemon/groups"
)

// startGroups gives every group of the configuration a runner, and tells those that have one
// what is new. A number that has become another group's begins anew.
func (d *Daemon) startGroups() {
	l := d.loop
	for _, g := range d.cluster().Settings.Groups {
		number := l.machine.Groups().Number(g.Name)
		c := l.runners[number]
		if c == nil || c.Name != g.Name {
			c = d.newRunner(number, g.Name)
			l.runners[number] = c
		}
		c.SetConfig(g)
	}
}

func (d *Daemon) newRunner(number int, name string) *groups.GroupRunner {
	return groups.NewGroupRunner(number, name, groups.RunnerOptions{Node: d.cluster().Self.Name, RunDir: d.options.RunDir, Leased: d.leased, Since: d.started,
		Tell: func(ev services.Event) { d.tell(ev) }, Log: d.log, Launch: d.launch})
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
		l.runners[a.Group].Do(a)
	case services.Stop:
		l.runners[a.Group].Do(a)
	case services.Probe:
		l.runners[a.Group].Do(a)
	case services.Changed:
		l.journal.Group(l.runners[a.Group].Name, l.machine.Groups().Look(a.Group))
	case services.Failed:
		l.journal.Add(l.journal.Event("alarm", "group %s: given up here: %s", l.runners[a.Group].Name, a.Text))
	}
}

// groupStatus is every group of the configuration as it lives here.
func (d *Daemon) groupStatus() (list []control.GroupStatus) {
	for _, g := range d.cluster().Settings.Groups {
		number := d.loop.machine.Groups().Number(g.Name)
		c := d.loop.runners[number]
		if c == nil {
			continue
		}
		v := d.loop.machine.Groups().Look(number)
		s := control.GroupStatus{Name: g.Name, Kind: g.Kind, Token: g.Token(), Run: "one", State: v.State.String(), Epoch: v.Epoch,
			Text: v.Text, Restarts: v.Restarts, Contained: c.Containment()}
		if g.Both {
			s.Run = "all"
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

// kindOf is the kind of token, by its name.
func kindOf(name string) string {
	kind, _, _ := strings.Cut(name, ":")
	return kind
}
