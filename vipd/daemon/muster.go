package daemon

import (
	"context"
	"errors"
	"fmt"

	"vipd/services"
	"vipd/services/unit"
	"vipd/vipd/node"
)

// musterGroups finds what an earlier daemon left of each group: by the group's token,
// which of its units run. A group of which nothing is left has no entry.
func (d *Daemon) musterGroups() (map[int][]bool, error) {
	running := map[int][]bool{}
	for _, c := range d.loop.crews {
		units, any, err := c.found()
		if err != nil {
			return nil, fmt.Errorf("group %s: %w", c.name, err)
		}
		if any {
			running[d.loop.number(c.token())] = units
		}
	}
	return running, nil
}

// sweepGroups stops units that an earlier daemon left and the configuration has no more.
func (d *Daemon) sweepGroups() error {
	if d.leased == nil {
		return nil
	}
	swept, err := unit.Sweep(context.Background(), d.ownUnits(), unit.Options{Dir: unitsDir(d.options.RunDir), Log: d.log})
	for _, what := range swept {
		d.loop.journal.Add(d.loop.journal.Event("group", "stopped %s, which an earlier daemon left and the configuration has no more", what))
	}
	return err
}

// crewOf returns the group that runs where the token is held, or nil.
func (d *Daemon) crewOf(i int) *crew {
	for _, c := range d.loop.crews {
		if d.loop.number(c.token()) == i {
			return c
		}
	}
	return nil
}

// rejoin goes on with the group under the lease.
func (d *Daemon) rejoin(c *crew, r node.Adopt, running []bool) {
	l := d.loop
	l.owns.Store(c.token(), r.Token)
	l.step(r.Event(d.clocks.Now()))
	if err := c.guardFound(); err != nil {
		d.log.Error("could not put a group's lease in force again", "group", c.name, "err", err)
	}
	l.step(services.Adopt{Group: c.number, Epoch: r.Lease.Epoch, Running: running})
}

// stopFound stops a group that may not go on.
func (d *Daemon) stopFound(c *crew) error {
	d.log.Info("stopping what an earlier daemon left of a group, for its lease has ended", "group", c.name)
	if err := c.clear(); err != nil {
		return fmt.Errorf("group %s: stop what an earlier daemon left: %w", c.name, err)
	}
	return nil
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
