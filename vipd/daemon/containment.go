package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"vipd/heartbeat/clock"
	"vipd/host/boot"
	"vipd/host/cgroup"
	"vipd/lease"
	guard "vipd/services/keeper"
	"vipd/token"
)

// containment is what keeps a group's processes from running on when their lease
// has ended: their packets are dropped by the kernel, and a keeper outside our own
// control group kills them a second later.
type containment struct {
	page     *guard.Page
	turn     sync.Mutex             // a lease is put in force or let go of
	leaving  map[uint64]*time.Timer // until a lease is let go of, by the token's ID
	places   map[string]place       // control groups with a lease, by path
	possible bool                   // this host has control groups that can be guarded
	folders  map[uint64][]string    // those under guard, by the token's ID
	killed   map[uint64]bool        // told already
	report   func(token string, err error)
	names    map[uint64]string
}

func newContainment(runDir string, report func(string, error)) (*containment, error) {
	page, err := guard.OpenPage(runDir)
	if err != nil {
		return nil, err
	}
	_, none := cgroup.Root()
	return &containment{page: page, possible: none == nil,
		leaving: map[uint64]*time.Timer{}, places: map[string]place{}, folders: map[uint64][]string{}, killed: map[uint64]bool{}, names: map[uint64]string{}, report: report}, nil
}

// armGroup has what is in one control group of the token's group silenced and killed
// when the lease ends. It is called before a process starts there.
func (d *deadman) armGroup(name, folder string) error {
	if d.groups == nil {
		return errors.New("nothing can guard it: the page of groups could not be opened when vipd started; restart vipd when there is room in its run dir")
	}
	d.groups.turn.Lock()
	defer d.groups.turn.Unlock()
	if leaves := d.groups.leaving[token.ID(name)]; leaves != nil {
		leaves.Stop()
		delete(d.groups.leaving, token.ID(name))
	}
	l, err := d.armPlace(token.ID(name), folder)
	if err != nil {
		return err
	}
	if err := d.groups.page.Guard(folder, boot.Kernel.Now()); err != nil {
		return fmt.Errorf("guard %s: %w", name, err)
	}
	d.mu.Lock()
	d.enlist(token.ID(name), name, folder, l)
	d.mu.Unlock()
	d.renew(token.ID(name)) // it was armed expired
	return nil
}

// place is a control group that has a lease. One that is made anew by the same path,
// as a slice that was stopped by hand, is another.
type place struct {
	lease *lease.Lease
	inode uint64
}

// armPlace returns the lease of the control group that the folder is now, nil where the
// kernel has none for it.
func (d *deadman) armPlace(id uint64, folder string) (*lease.Lease, error) {
	var is unix.Stat_t
	if err := unix.Stat(folder, &is); err != nil || d.leases.Layer() != lease.BPF {
		return nil, err
	}
	if was, known := d.groups.places[folder]; known && was.inode != is.Ino {
		d.mu.Lock()
		d.armed[id] = slices.DeleteFunc(d.armed[id], func(l *lease.Lease) bool { return l == was.lease })
		d.mu.Unlock()
		if err := was.lease.Disarm(); err != nil {
			d.log.Debug("the control group is gone, and its lease with it", "cgroup", folder, "err", err)
		}
	}
	l, err := d.leases.ArmCgroup(folder)
	if err == nil {
		d.groups.places[folder] = place{l, is.Ino}
	}
	return l, err
}

// enlist has one more control group renewed with the token's lease. d.mu is held.
func (d *deadman) enlist(id uint64, name, folder string, l *lease.Lease) {
	g := d.groups
	g.names[id], g.killed[id] = name, false
	if !slices.Contains(g.folders[id], folder) {
		g.folders[id] = append(g.folders[id], folder)
	}
	if l != nil && !slices.Contains(d.armed[id], l) {
		d.armed[id] = append(d.armed[id], l)
	}
}

// disarmGroup lets go of a group of which no process is left: the keeper at once, its
// ended lease when nothing of its sockets is left either.
func (d *deadman) disarmGroup(name string) {
	if d.groups == nil {
		return
	}
	id := token.ID(name)
	d.mu.Lock()
	folders := d.groups.folders[id]
	delete(d.groups.folders, id)
	d.mu.Unlock()
	if folders == nil {
		return
	}
	for _, folder := range folders {
		d.groups.page.Release(folder)
	}
	d.groups.turn.Lock()
	defer d.groups.turn.Unlock()
	d.groups.leaving[id] = time.AfterFunc(orphans, func() { d.leave(name, id) })
}

// orphans is for how long the kernel may try to send what a dead process left in its
// sockets (tcp_orphan_retries, tcp(7)): once the lease is let go of, it would arrive,
// and another node may be writing by then.
const orphans = 2 * time.Minute

// stay keeps every lease as it is, for the next daemon.
func (c *containment) stay() {
	c.turn.Lock()
	defer c.turn.Unlock()
	for id, leaves := range c.leaving {
		leaves.Stop()
		delete(c.leaving, id)
	}
}

// leave lets go of the lease, unless the group has begun anew.
func (d *deadman) leave(name string, id uint64) {
	d.groups.turn.Lock()
	defer d.groups.turn.Unlock()
	if d.groups.leaving[id] == nil {
		return
	}
	delete(d.groups.leaving, id)
	d.mu.Lock()
	gone := d.armed[id]
	d.mu.Unlock()
	maps.DeleteFunc(d.groups.places, func(_ string, p place) bool { return slices.Contains(gone, p.lease) })
	if err := d.disarm(name); err != nil {
		d.log.Error("let go of a group's lease", "token", name, "err", err)
	}
}

// renewGroup moves the keeper's expiry; 0 ends it now at the latest: from the end of
// the lease on the daemon has a second to stop the group in order. d.mu is held.
func (d *deadman) renewGroup(id uint64, until clock.Instant) {
	if d.groups == nil {
		return
	}
	folders := d.groups.folders[id]
	if folders == nil {
		return
	}
	var err error
	for _, folder := range folders {
		failed := error(nil)
		if until == 0 {
			failed = d.groups.page.End(folder)
		} else {
			failed = d.groups.page.Renew(folder, until)
		}
		if failed != nil {
			err = failed
		}
	}
	if failed := err != nil; failed != d.groups.killed[id] {
		d.groups.killed[id] = failed
		if failed {
			go d.groups.report(d.groups.names[id], err)
		}
	}
}

// contains names what is in force for the group of the token.
func (d *deadman) contains() string {
	if d.leases.Layer() == lease.BPF {
		return "cgroup lease, keeper"
	}
	return "keeper"
}

// buried says that the keeper has killed a group, or will not guard it.
func (d *Daemon) buried(name string, err error) {
	d.tell(noise{d.loop.journal.Event("alarm", "%s: %v", name, err)})
}

// keepKeeper has a keeper run for as long as ctx lasts; it outlives this daemon.
func (d *Daemon) keepKeeper(ctx context.Context) error {
	tick := time.NewTicker(keeperLook)
	defer tick.Stop()
	for {
		if d.needsKeeper() {
			_, err := guard.Ensure(ctx, guard.Options{RunDir: d.options.RunDir, Args: []string{"keeper", "--run-dir", d.options.RunDir}, Output: os.Stderr})
			text := ""
			if err != nil && !errors.Is(err, context.Canceled) {
				text = fmt.Sprintf("nothing would kill a group whose lease has ended: %v", err)
			}
			d.alarms.Set("keeper", text)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// keeperLook is how often it is looked whether the keeper runs.
const keeperLook = 2 * time.Second

func (d *Daemon) needsKeeper() bool {
	for _, g := range d.cluster().Settings.Groups {
		if guarded(g) {
			return true
		}
	}
	return false
}
