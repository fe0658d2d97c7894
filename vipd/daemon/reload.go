package daemon

import (
	"fmt"
	"reflect"

	"vipd/sharedip"
	"vipd/token"
	"vipd/vipd/config"
	"vipd/vipd/control"
	"vipd/vipd/node"
)

// reload takes over a changed file, on the loop's goroutine. A file with errors,
// or one that changes what only a restart can, leaves everything as it is.
func (d *Daemon) reload() {
	if err := d.tryReload(); err != nil {
		d.log.Error("configuration not taken over", "err", err)
		d.setTrouble("reload", fmt.Sprintf("the configuration file was not taken over: %v", err))
		d.loop.journal.add(control.Event{Kind: "alarm", Node: d.cluster().self.Name, Text: fmt.Sprintf("configuration not taken over: %v", err)})
		return
	}
	d.setTrouble("reload", "")
	d.loop.journal.add(control.Event{Kind: "config", Node: d.cluster().self.Name, Cause: control.Config,
		Text: "configuration taken over: " + d.cluster().settings.DigestText()})
}

func (d *Daemon) tryReload() error {
	settings, err := config.Load(d.options.Config)
	if err != nil {
		return err
	}
	old := d.cluster()
	if err := onlyByRestart(old.settings, settings); err != nil {
		return err
	}
	self, ok := settings.Node(old.self.Name)
	if !ok {
		return fmt.Errorf("node %s is not in it any more", old.self.Name)
	}
	next := &cluster{settings, self}
	d.now.Store(next)
	l := d.loop
	l.step(node.Reload{Tokens: next.specs(), Digest: settings.Digest()})
	fresh := l.match(next, d.hands, d.tell)
	if err := d.hands.Configure(d.sets(old)); err != nil {
		return err
	}
	for _, w := range fresh {
		d.spawn(w)
	}
	for _, w := range settings.Warnings {
		d.log.Warn(w.String())
	}
	l.judge()
	return nil
}

// sets are the addresses of the configuration in force, and those of tokens that
// only old has as long as they may still be up.
func (d *Daemon) sets(old *cluster) []sharedip.Set {
	list := d.cluster().sets()
	for _, set := range old.sets() {
		_, stays := d.cluster().vip(set.Token)
		if i := d.loop.number(set.Token); !stays && i >= 0 && d.loop.machine.Tokens().Phase(i) != token.Idle {
			list = append(list, set)
			d.loop.forget = func() { d.forget(old) }
		}
	}
	return list
}

// forget takes what is off for good from the hands.
func (d *Daemon) forget(old *cluster) {
	if err := d.hands.Configure(d.sets(old)); err != nil {
		d.log.Error("configure the hands", "err", err)
	}
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
