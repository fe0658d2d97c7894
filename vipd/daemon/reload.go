package daemon

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"vipd/sharedip"
	"vipd/token"
	"vipd/vipd/config"
	"vipd/vipd/control"
	"vipd/vipd/daemon/cluster"
	"vipd/vipd/daemon/groups"
	"vipd/vipd/daemon/preflight"
	"vipd/vipd/node"
)

// reread reads the files, here and not on the loop, which waits for no disk. What
// it returns takes over what was read, on the loop's goroutine. The configuration
// and the keys are two files, and one of them that can't be taken over does not
// keep the other from it. Force takes keys over that a node which is heard lacks.
func (d *Daemon) reread(force bool) func() error {
	settings, err := config.Load(d.options.Config)
	if err == nil {
		err = preflight.Vet(context.Background(), d.options.Config, settings, groups.UnitsDir(d.options.RunDir))
	}
	rekey := d.rereadKeys(force)
	return func() error {
		if err == nil {
			err = d.reload(settings)
		}
		d.reloaded(err)
		return errors.Join(err, rekey())
	}
}

// Reload reads the files again and returns what could not be taken over.
func (d *Daemon) Reload(ctx context.Context, r control.ReloadRequest) (control.Change, error) {
	take := d.rereadKeys(r.Force)
	if !r.KeysOnly {
		take = d.reread(r.Force)
	}
	done := make(chan error, 1)
	if !d.loop.post(callOnLoop{func() { done <- take() }}, ctx.Done()) {
		return control.Change{}, ctx.Err()
	}
	select {
	case err := <-done:
		if err != nil {
			return control.Change{}, control.Errorf(control.CodeInvalid, "%v", err)
		}
		return control.Change{Text: "configuration and keys are those of the files"}, nil
	case <-ctx.Done():
		return control.Change{}, ctx.Err()
	}
}

// reloaded says how it went.
func (d *Daemon) reloaded(err error) {
	e := control.Event{Kind: "config", Node: d.cluster().Self.Name, Cause: control.Config}
	if err != nil {
		e.Kind, e.Cause, e.Text = "alarm", control.NoCause, fmt.Sprintf("the configuration file was not taken over: %v", err)
		d.alarms.Set("reload", e.Text)
	} else {
		e.Text = "configuration taken over: " + d.cluster().Settings.DigestText()
		d.alarms.Clear("reload")
	}
	d.loop.journal.Add(e)
}

// reload takes over a changed configuration. One that changes what only a
// restart can leaves everything as it is.
func (d *Daemon) reload(settings config.Settings) error {
	old := d.cluster()
	if err := onlyByRestart(old.Settings, settings); err != nil {
		return err
	}
	self, _ := settings.Node(old.Self.Name)
	next := cluster.New(settings, self)
	d.now.Store(next)
	for _, set := range old.AddressSets() {
		if _, stays := next.VIP(set.Token); !stays {
			d.left = append(d.left, set)
		}
	}
	l := d.loop
	change := node.Reload{Tokens: next.TokenSpecs(), Services: next.Services(), Digest: settings.Digest()}
	actions := l.decide(change)
	fresh := l.syncWorkers(next, d.workerOptions())
	err := d.configure() // before anything is taken or dropped by the new names
	for _, w := range fresh {
		d.spawn(w)
	}
	d.startGroups()
	l.perform(change, actions)
	for _, w := range settings.Warnings {
		d.log.Warn(w.String())
	}
	d.check()
	d.lookAtRights()
	l.updateEligibility()
	return err
}

// configure gives the hands the addresses of the configuration in force, and
// those of tokens that left it for as long as they may be up. Until then none of
// these is another token's, which keeps those it had.
func (d *Daemon) configure() error {
	d.left = slices.DeleteFunc(d.left, func(set sharedip.Set) bool {
		_, back := d.cluster().VIP(set.Token)
		i := d.loop.number(set.Token)
		return back || i < 0 || d.loop.machine.Tokens().Phase(i) == token.Idle
	})
	list := slices.Clone(d.left)
	var free []sharedip.Set
	for _, set := range d.cluster().AddressSets() {
		if !taken(set, d.left) {
			free = append(free, set)
		} else if i := slices.IndexFunc(d.placed, func(p sharedip.Set) bool { return p.Token == set.Token }); i >= 0 {
			list = append(list, d.placed[i])
		}
	}
	for _, set := range free {
		if !taken(set, list) {
			list = append(list, set)
		}
	}
	d.placed = list
	return d.hands.Configure(list)
}

// taken reports whether another of the sets has an address of this one.
func taken(set sharedip.Set, sets []sharedip.Set) bool {
	return slices.ContainsFunc(sets, func(other sharedip.Set) bool { return other.Token != set.Token && share(set, other) })
}

// share reports whether the sets have an address in common.
func share(a, b sharedip.Set) bool {
	return slices.ContainsFunc(a.Addresses, func(x sharedip.Address) bool {
		return slices.ContainsFunc(b.Addresses, x.Same)
	})
}

// forget takes what is off for good from the hands.
func (d *Daemon) forget() {
	if err := d.configure(); err != nil {
		d.log.Error("configure the hands", "err", err)
	}
	d.loop.updateEligibility()
}

// onlyByRestart names what a running daemon can't change: who the nodes are,
// where they are heard, and how fast they beat.
func onlyByRestart(old, now config.Settings) error {
	strip := func(nodes []config.Node) (list []config.Node) {
		for _, n := range nodes {
			n.Priority = 0
			list = append(list, n)
		}
		return list
	}
	for _, c := range []struct {
		key    string
		differ bool
	}{
		{"cluster", old.Cluster != now.Cluster},
		{"key_file", old.KeyFile != now.KeyFile},
		{"[node.…] addresses, ids or names", !reflect.DeepEqual(strip(old.Nodes), strip(now.Nodes))},
		{"[heartbeat]", old.Heartbeat.Interval != now.Heartbeat.Interval || old.Heartbeat.Tolerance != now.Heartbeat.Tolerance},
		{"[multicast]", old.Multicast != now.Multicast},
		{"start_wait", old.StartWait != now.StartWait},
	} {
		if c.differ {
			return fmt.Errorf("%s: a change takes effect at `vipd restart` on every node", c.key)
		}
	}
	return nil
}
