package daemon

import (
	"context"
	"fmt"

	"vipd/services"
	"vipd/services/unit"
	"vipd/vipd/daemon/groups"
	"vipd/vipd/node"
)

// adoptGroups finds what an earlier daemon left of each group: by the group's token,
// which of its units run. A group of which nothing is left has no entry.
func (d *Daemon) adoptGroups() (map[int][]bool, error) {
	running := map[int][]bool{}
	for _, c := range d.loop.runners {
		units, some, err := c.FindRunning()
		if err != nil {
			return nil, fmt.Errorf("group %s: %w", c.Name, err)
		}
		if some {
			running[d.loop.number(c.Token())] = units
		}
	}
	return running, nil
}

// sweepGroups stops units that an earlier daemon left and the configuration has no more.
func (d *Daemon) sweepGroups() error {
	if d.leased == nil {
		return nil
	}
	swept, err := unit.Sweep(context.Background(), d.ownUnits(), unit.Options{Dir: groups.UnitsDir(d.options.RunDir), Log: d.log})
	for _, what := range swept {
		d.loop.journal.Add(d.loop.journal.Event("group", "stopped %s, which an earlier daemon left and the configuration has no more", what))
	}
	return err
}

// runnerOf returns the group that runs where the token is held, or nil.
func (d *Daemon) runnerOf(i int) *groups.GroupRunner {
	for _, c := range d.loop.runners {
		if d.loop.number(c.Token()) == i {
			return c
		}
	}
	return nil
}

// resume goes on with the group under the lease.
func (d *Daemon) resume(c *groups.GroupRunner, r node.Adopt, running []bool) {
	l := d.loop
	l.owns.Store(c.Token(), r.Token)
	l.step(r.Event(d.clocks.Now()))
	if err := c.ApplyLease(); err != nil {
		d.log.Error("could not put a group's lease in force again", "group", c.Name, "err", err)
	}
	l.step(services.Adopt{Group: c.Number, Epoch: r.Lease.Epoch, Running: running})
}

// stopFound stops a group that may not go on.
func (d *Daemon) stopFound(c *groups.GroupRunner) error {
	d.log.Info("stopping what an earlier daemon left of a group, for its lease has ended", "group", c.Name)
	if err := c.StopFound(); err != nil {
		return fmt.Errorf("group %s: stop what an earlier daemon left: %w", c.Name, err)
	}
	return nil
}

func (d *Daemon) ownUnits() (list []unit.Unit) {
	for _, c := range d.loop.runners {
		list = append(list, c.Units()...)
	}
	return list
}
