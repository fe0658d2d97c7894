package leasing

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
	"vipd/services/watchdog"
	"vipd/token"
)

// GroupLeases is what keeps a group's processes from running on when their lease
// has ended: their packets are dropped by the kernel, and a keeper outside our own
// control group kills them a second later.
type GroupLeases struct {
	page     *watchdog.Page
	turn     sync.Mutex             // a lease is put in force or let go of
	leaving  map[uint64]*time.Timer // until a lease is let go of, by the token's ID
	cgroups  map[string]cgroupLease // control groups with a lease, by path
	possible bool                   // this host has control groups that can be guarded
	folders  map[uint64][]string    // those under guard, by the token's ID
	killed   map[uint64]bool        // told already
	report   func(token string, err error)
	names    map[uint64]string
}

func OpenGroupLeases(runDir string, report func(string, error)) (*GroupLeases, error) {
	page, err := watchdog.OpenPage(runDir)
	if err != nil {
		return nil, err
	}
	_, none := cgroup.Root()
	return &GroupLeases{page: page, possible: none == nil,
		leaving: map[uint64]*time.Timer{}, cgroups: map[string]cgroupLease{}, folders: map[uint64][]string{}, killed: map[uint64]bool{}, names: map[uint64]string{}, report: report}, nil
}

// ArmGroup has what is in one control group of the token's group silenced and killed
// when the lease ends. It is called before a process starts there.
func (d *LeasedAddresses) ArmGroup(name, folder string) error {
	if d.Groups == nil {
		return errors.New("nothing can guard it: the page of groups could not be opened when vipd started; restart vipd when there is room in its run dir")
	}
	d.Groups.turn.Lock()
	defer d.Groups.turn.Unlock()
	if leaves := d.Groups.leaving[token.ID(name)]; leaves != nil {
		leaves.Stop()
		delete(d.Groups.leaving, token.ID(name))
	}
	l, err := d.armCgroup(token.ID(name), folder)
	if err != nil {
		return err
	}
	if err := d.Groups.page.Guard(folder, boot.Now()); err != nil {
		return fmt.Errorf("guard %s: %w", name, err)
	}
	d.mu.Lock()
	d.addGroup(token.ID(name), name, folder, l)
	d.mu.Unlock()
	d.RenewNow(token.ID(name)) // it was armed expired
	return nil
}

// cgroupLease is a control group that has a lease. One that is made anew by the same path,
// as a slice that was stopped by hand, is another.
type cgroupLease struct {
	lease *lease.Lease
	inode uint64
}

// armCgroup returns the lease of the control group that the folder is now, nil where the
// kernel has none for it.
func (d *LeasedAddresses) armCgroup(id uint64, folder string) (*lease.Lease, error) {
	var is unix.Stat_t
	if err := unix.Stat(folder, &is); err != nil || d.leases.Layer() != lease.BPF {
		return nil, err
	}
	if was, known := d.Groups.cgroups[folder]; known && was.inode != is.Ino {
		d.mu.Lock()
		d.armed[id] = slices.DeleteFunc(d.armed[id], func(l *lease.Lease) bool { return l == was.lease })
		d.mu.Unlock()
		if err := was.lease.Disarm(); err != nil {
			d.Log.Debug("the control group is gone, and its lease with it", "cgroup", folder, "err", err)
		}
	}
	l, err := d.leases.ArmCgroup(folder)
	if err == nil {
		d.Groups.cgroups[folder] = cgroupLease{l, is.Ino}
	}
	return l, err
}

// addGroup has one more control group renewed with the token's lease. d.mu is held.
func (d *LeasedAddresses) addGroup(id uint64, name, folder string, l *lease.Lease) {
	g := d.Groups
	g.names[id], g.killed[id] = name, false
	if !slices.Contains(g.folders[id], folder) {
		g.folders[id] = append(g.folders[id], folder)
	}
	if l != nil && !slices.Contains(d.armed[id], l) {
		d.armed[id] = append(d.armed[id], l)
	}
}

// DisarmGroup lets go of a group of which no process is left: the keeper at once, its
// ended lease when nothing of its sockets is left either.
func (d *LeasedAddresses) DisarmGroup(name string) {
	if d.Groups == nil {
		return
	}
	id := token.ID(name)
	d.mu.Lock()
	folders := d.Groups.folders[id]
	delete(d.Groups.folders, id)
	d.mu.Unlock()
	if folders == nil {
		return
	}
	for _, folder := range folders {
		d.Groups.page.Release(folder)
	}
	d.Groups.turn.Lock()
	defer d.Groups.turn.Unlock()
	d.Groups.leaving[id] = time.AfterFunc(orphans, func() { d.leave(name, id) })
}

// orphans is for how long the kernel may try to send what a dead process left in its
// sockets (tcp_orphan_retries, tcp(7)): once the lease is let go of, it would arrive,
// and another node may be writing by then.
const orphans = 2 * time.Minute

// stay keeps every lease as it is, for the next daemon.
func (c *GroupLeases) stay() {
	c.turn.Lock()
	defer c.turn.Unlock()
	for id, leaves := range c.leaving {
		leaves.Stop()
		delete(c.leaving, id)
	}
}

// leave lets go of the lease, unless the group has begun anew.
func (d *LeasedAddresses) leave(name string, id uint64) {
	d.Groups.turn.Lock()
	defer d.Groups.turn.Unlock()
	if d.Groups.leaving[id] == nil {
		return
	}
	delete(d.Groups.leaving, id)
	d.mu.Lock()
	gone := d.armed[id]
	d.mu.Unlock()
	maps.DeleteFunc(d.Groups.cgroups, func(_ string, p cgroupLease) bool { return slices.Contains(gone, p.lease) })
	if err := d.disarm(name); err != nil {
		d.Log.Error("let go of a group's lease", "token", name, "err", err)
	}
}

// renewGroup moves the keeper's expiry; 0 ends it now at the latest: from the end of
// the lease on the daemon has a second to stop the group in order. d.mu is held.
func (d *LeasedAddresses) renewGroup(id uint64, until clock.Instant) {
	if d.Groups == nil {
		return
	}
	folders := d.Groups.folders[id]
	if folders == nil {
		return
	}
	var err error
	for _, folder := range folders {
		failed := error(nil)
		if until == 0 {
			failed = d.Groups.page.End(folder)
		} else {
			failed = d.Groups.page.Renew(folder, until)
		}
		if failed != nil {
			err = failed
		}
	}
	if failed := err != nil; failed != d.Groups.killed[id] {
		d.Groups.killed[id] = failed
		if failed {
			go d.Groups.report(d.Groups.names[id], err)
		}
	}
}

// Containment names the mechanisms that keep a group from running on without the daemon; ""
// where this host has none.
func (d *LeasedAddresses) Containment() string {
	switch {
	case d == nil || d.Groups == nil || !d.Groups.possible:
		return ""
	case d.leases.Layer() == lease.BPF:
		return "cgroup lease, keeper"
	}
	return "keeper"
}

// RunKeeper has a keeper run for as long as ctx lasts and one is needed; the keeper outlives
// this daemon. report gets the reason why none runs, "" when one does.
func RunKeeper(ctx context.Context, runDir string, needed func() bool, report func(text string)) {
	tick := time.NewTicker(keeperLook)
	defer tick.Stop()
	for {
		if needed() {
			_, err := watchdog.Ensure(ctx, watchdog.Options{RunDir: runDir, Args: []string{"keeper", "--run-dir", runDir}, Output: os.Stderr})
			text := ""
			if err != nil && !errors.Is(err, context.Canceled) {
				text = fmt.Sprintf("nothing would kill a group whose lease has ended: %v", err)
			}
			report(text)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// keeperLook is how often RunKeeper looks whether the keeper runs.
const keeperLook = 2 * time.Second
