package groups

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

// RunnerOptions are the surroundings of the runners of groups.
type RunnerOptions struct {
	Node   string // this node's name
	RunDir string
	Leased *leasing.LeasedAddresses // nil: no kernel, no lease
	Since  time.Time                // from which on intervals of checks are counted: alike for all groups
	Tell   func(services.Event)     // results of units and checks
	Log    *slog.Logger
	Launch func(func(context.Context)) // runs something until the daemon ends
}

// GroupRunner carries out on this host the orders for one service group: by one runner for each
// unit, and by a run of its checks.
type GroupRunner struct {
	RunnerOptions
	Number  int // the group's
	Name    string
	runners []*UnitRunner // by the units' numbers: some more while an older configuration stops

	mu     sync.Mutex
	group  config.Group // newest
	wanted checkRun
	change chan struct{} // asked or the checks are new
}

// NewGroupRunner returns the runner of the group, and launches it.
func NewGroupRunner(number int, name string, o RunnerOptions) *GroupRunner {
	c := &GroupRunner{RunnerOptions: o, Number: number, Name: name, change: make(chan struct{}, 1)}
	o.Launch(c.run)
	return c
}

// checkRun is an order to check, or not to.
type checkRun struct {
	on    bool
	order uint64
}

// Token is the name that the group's token has.
func (c *GroupRunner) Token() string { return cluster.GroupPrefix + c.Name }

// SetConfig takes the newest configuration; new checks begin at once.
func (c *GroupRunner) SetConfig(g config.Group) {
	c.mu.Lock()
	c.group = g
	c.mu.Unlock()
	for len(c.runners) < len(g.Units) {
		h := &UnitRunner{group: c.Number, number: len(c.runners), tell: c.Tell, wake: make(chan struct{}, 1), applyLease: c.applyLease, stopped: c.releaseLease}
		h.fresh = func(died func(string)) (unit.Unit, error) { return c.unit(h.number, died) }
		c.runners = append(c.runners, h)
		c.Launch(h.run)
	}
	c.signalChange()
}

func (c *GroupRunner) signalChange() {
	select {
	case c.change <- struct{}{}:
	default:
	}
}

func (c *GroupRunner) newest() config.Group {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.group
}

// unit makes the unit of that number as it is configured now.
func (c *GroupRunner) unit(number int, died func(string)) (unit.Unit, error) {
	g := c.newest()
	return unit.New(g.Units[number], unit.Options{Group: c.Name, Dir: UnitsDir(c.RunDir), Exclusive: cluster.Guarded(g), StopTimeout: g.StopTimeout, Rights: g.Rights, Died: died, Log: c.Log})
}

// UnitsDir is where units keep what is theirs until the next boot.
func UnitsDir(runDir string) string { return filepath.Join(runDir, "units") }

// Do carries out what the machine orders of the group; it does not wait.
func (c *GroupRunner) Do(a services.Action) {
	switch a := a.(type) {
	case services.Start:
		c.runners[a.Unit].enqueue(unitOrder{start: true, order: a.Order,
			env: unit.Env{Epoch: a.Epoch, Token: c.Token(), Node: c.Node, Role: "active"}})
	case services.Stop:
		c.runners[a.Unit].enqueue(unitOrder{order: a.Order})
	case services.Probe:
		c.mu.Lock()
		c.wanted = checkRun{a.On, a.Order}
		c.mu.Unlock()
		c.signalChange()
	}
}

// applyLease puts the lease in force where the unit runs, before its first process starts.
func (c *GroupRunner) applyLease(ctx context.Context, u unit.Unit) error {
	box, ok := u.(unit.Container)
	if !ok || c.Leased == nil || !cluster.Guarded(c.newest()) {
		return nil
	}
	folder, err := box.Folder(ctx)
	if err != nil || folder == "" {
		return err
	}
	return c.Leased.ArmGroup(c.Token(), folder)
}

// adoptLimit is how long systemd may take to name the control groups of units that run.
const adoptLimit = 10 * time.Second

// ApplyLease puts the lease in force again where something was found running.
func (c *GroupRunner) ApplyLease() error {
	ctx, cancel := context.WithTimeout(context.Background(), adoptLimit)
	defer cancel()
	var errs []error
	for _, h := range c.runners {
		if u := h.running; u != nil {
			errs = append(errs, c.applyLease(ctx, u))
		}
	}
	return errors.Join(errs...)
}

// releaseLease lets go of the lease when nothing of the group is left.
func (c *GroupRunner) releaseLease() {
	for _, h := range c.runners {
		if h.holds() {
			return
		}
	}
	if c.Leased != nil {
		c.Leased.DisarmGroup(c.Token())
	}
}

// run goes the rounds of the checks until ctx ends.
func (c *GroupRunner) run(ctx context.Context) {
	stop := func() {}
	for {
		select {
		case <-ctx.Done():
			stop()
			return
		case <-c.change:
		}
		stop()
		stop = c.startChecks(ctx)
	}
}

// startChecks starts the checks as they are wanted now; stop ends them.
func (c *GroupRunner) startChecks(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	c.mu.Lock()
	wanted, checks, rights := c.wanted, c.group.Checks, c.group.Rights
	c.mu.Unlock()
	if !wanted.on {
		checks = nil
	}
	var rounds sync.WaitGroup
	for i, check := range checks {
		rounds.Go(func() {
			c.check(ctx, i, check, rights, func(ok bool, text string) {
				c.Tell(services.Result{Group: c.Number, Check: i, Order: wanted.order, OK: ok, Text: text})
			})
		})
	}
	return func() { cancel(); rounds.Wait() }
}

// check checks until ctx ends. One that can't be made fails each time.
func (c *GroupRunner) check(ctx context.Context, number int, check config.Check, rights child.Rights, result func(bool, string)) {
	target, err := probe.Parse(check.Target)
	var p *probe.Probe
	if err == nil {
		o := probe.Options{Interval: check.Interval, Since: c.Since, Timeout: check.Timeout, Result: result, UnitState: unit.State, Rights: rights}
		if strings.HasPrefix(check.Target, cluster.ExecUnit) {
			o.Cgroup = unit.CheckFolder(c.Name, number)
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

// Containment names what keeps the group from running on without the daemon.
func (c *GroupRunner) Containment() string {
	g := c.newest()
	if by := c.Leased.Containment(); by != "" && cluster.Guarded(g) {
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

// FindRunning adopts the watching of every unit that runs.
func (c *GroupRunner) FindRunning() (running []bool, some bool, err error) {
	for _, h := range c.runners {
		on, err := h.adopt(context.Background())
		if err != nil {
			return nil, false, err
		}
		running, some = append(running, on), some || on
	}
	return running, some, nil
}

// StopFound stops every unit that was found, the last first.
func (c *GroupRunner) StopFound() error {
	var errs []error
	for i := len(c.runners) - 1; i >= 0; i-- {
		if u := c.runners[i].running; u != nil {
			errs = append(errs, u.Stop(context.Background()))
			c.runners[i].close()
		}
	}
	c.releaseLease()
	return errors.Join(errs...)
}

// Units makes every unit as it is configured now.
func (c *GroupRunner) Units() (list []unit.Unit) {
	for _, h := range c.runners {
		if u, err := h.fresh(nil); err == nil {
			list = append(list, u)
		}
	}
	return list
}
