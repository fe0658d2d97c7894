package daemon

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"vipd/host/child"
	"vipd/services"
	"vipd/services/probe"
	"vipd/services/unit"
	"vipd/vipd/config"
	"vipd/vipd/daemon/cluster"
	"vipd/vipd/daemon/leasing"
)

// crew is the hands of one service group on this host: one for each unit, and the
// rounds of its checks.
type crew struct {
	number int // the group's
	name   string
	node   string
	runDir string
	leased *leasing.LeasedAddresses
	since  time.Time // from which on intervals of checks are counted: alike for all groups
	tell   func(any)
	log    *slog.Logger
	hands  []*hand // by the units' numbers: some more while an older configuration stops
	spawn  func(*hand)

	mu     sync.Mutex
	group  config.Group // newest
	asked  round
	change chan struct{} // asked or the checks are new
}

// round is an order to check, or not to.
type round struct {
	on    bool
	order uint64
}

// token is the name that the group's token has.
func (c *crew) token() string { return cluster.GroupPrefix + c.name }

// set takes the newest configuration; new checks begin at once.
func (c *crew) set(g config.Group) {
	c.mu.Lock()
	c.group = g
	c.mu.Unlock()
	for len(c.hands) < len(g.Units) {
		h := &hand{group: c.number, number: len(c.hands), tell: c.tell, wake: make(chan struct{}, 1), guard: c.guard, left: c.left}
		h.fresh = func(died func(string)) (unit.Unit, error) { return c.unit(h.number, died) }
		c.hands = append(c.hands, h)
		c.spawn(h)
	}
	c.stir()
}

func (c *crew) stir() {
	select {
	case c.change <- struct{}{}:
	default:
	}
}

func (c *crew) newest() config.Group {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.group
}

// unit makes the unit of that number as it is configured now.
func (c *crew) unit(number int, died func(string)) (unit.Unit, error) {
	g := c.newest()
	return unit.New(g.Units[number], unit.Options{Group: c.name, Dir: unitsDir(c.runDir), Exclusive: cluster.Guarded(g), StopTimeout: g.StopTimeout, Rights: g.Rights, Died: died, Log: c.log})
}

// unitsDir is where units keep what is theirs until the next boot.
func unitsDir(runDir string) string { return filepath.Join(runDir, "units") }

// do carries out what the machine orders of the group; it does not wait.
func (c *crew) do(a services.Action) {
	switch a := a.(type) {
	case services.Start:
		c.hands[a.Unit].ask(unitOrder{start: true, order: a.Order,
			env: unit.Env{Epoch: a.Epoch, Token: c.token(), Node: c.node, Role: "active"}})
	case services.Stop:
		c.hands[a.Unit].ask(unitOrder{order: a.Order})
	case services.Probe:
		c.mu.Lock()
		c.asked = round{a.On, a.Order}
		c.mu.Unlock()
		c.stir()
	}
}

// guard puts the lease in force where the unit runs, before its first process starts.
func (c *crew) guard(ctx context.Context, u unit.Unit) error {
	box, ok := u.(unit.Container)
	if !ok || c.leased == nil || !cluster.Guarded(c.newest()) {
		return nil
	}
	folder, err := box.Folder(ctx)
	if err != nil || folder == "" {
		return err
	}
	return c.leased.ArmGroup(c.token(), folder)
}

// adoptLimit is how long systemd may take to name the control groups of units that run.
const adoptLimit = 10 * time.Second

// guardFound puts the lease in force again where something was found running.
func (c *crew) guardFound() error {
	ctx, cancel := context.WithTimeout(context.Background(), adoptLimit)
	defer cancel()
	var errs []error
	for _, h := range c.hands {
		if u := h.live; u != nil {
			errs = append(errs, c.guard(ctx, u))
		}
	}
	return errors.Join(errs...)
}

// left lets go of the lease when nothing of the group is left.
func (c *crew) left() {
	for _, h := range c.hands {
		if h.holds() {
			return
		}
	}
	if c.leased != nil {
		c.leased.DisarmGroup(c.token())
	}
}

// run goes the rounds of the checks until ctx ends.
func (c *crew) run(ctx context.Context) {
	stop := func() {}
	for {
		select {
		case <-ctx.Done():
			stop()
			return
		case <-c.change:
		}
		stop()
		stop = c.begin(ctx)
	}
}

// begin starts the checks as they are wanted now; stop ends them.
func (c *crew) begin(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	c.mu.Lock()
	wanted, checks, rights := c.asked, c.group.Checks, c.group.Rights
	c.mu.Unlock()
	if !wanted.on {
		checks = nil
	}
	var rounds sync.WaitGroup
	for i, check := range checks {
		rounds.Go(func() {
			c.check(ctx, i, check, rights, func(ok bool, text string) {
				c.tell(services.Result{Group: c.number, Check: i, Order: wanted.order, OK: ok, Text: text})
			})
		})
	}
	return func() { cancel(); rounds.Wait() }
}

// check checks until ctx ends. One that can't be made fails each time.
func (c *crew) check(ctx context.Context, number int, check config.Check, rights child.Rights, result func(bool, string)) {
	target, err := probe.Parse(check.Target)
	var p *probe.Probe
	if err == nil {
		o := probe.Options{Interval: check.Interval, Since: c.since, Timeout: check.Timeout, Result: result, UnitState: unit.State, Rights: rights}
		if strings.HasPrefix(check.Target, cluster.ExecUnit) {
			o.Cgroup = unit.CheckFolder(c.name, number)
		}
		p, err = probe.New(target, o)
	}
	if err == nil {
		p.Run(ctx)
		return
	}
	tick := time.NewTicker(check.Interval)
	defer tick.Stop()
	for ctx.Err() == nil {
		result(false, err.Error())
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// contained names what keeps the group from running on without the daemon.
func (c *crew) contained() string {
	g := c.newest()
	if by := c.leased.Containment(); by != "" && cluster.Guarded(g) {
		return by
	}
	ours := func(u string) bool { return strings.HasPrefix(u, cluster.ExecUnit) }
	var list []string
	if slices.ContainsFunc(g.Units, ours) {
		list = append(list, "cgroup")
	}
	if slices.ContainsFunc(g.Units, func(u string) bool { return !ours(u) }) {
		list = append(list, "systemd")
	}
	return strings.Join(list, ", ")
}
