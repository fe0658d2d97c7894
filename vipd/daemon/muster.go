package daemon

import (
	"context"
	"errors"
	"fmt"

	"vipd/services"
	"vipd/services/unit"
	"vipd/token"
)

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
	swept, err := unit.Sweep(context.Background(), d.ownUnits(), unit.Options{Dir: unitsDir(d.options.RunDir), Log: d.log})
	for _, what := range swept {
		d.loop.journal.add(d.loop.journal.say("group", "stopped %s, which an earlier daemon left and the configuration has no more", what))
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
	if err := c.guardFound(); err != nil {
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
