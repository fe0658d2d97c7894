package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"vipd/heartbeat/clock"
	"vipd/lease"
	guard "vipd/services/keeper"
	"vipd/services/unit"
	"vipd/token"
)

// containment is what keeps a group's processes from running on when their lease
// has ended: their packets are dropped by the kernel, and a keeper outside our own
// control group kills them a second later.
type containment struct {
	page    *guard.Page
	folders map[uint64]string // control groups under guard, by the token's ID
	killed  map[uint64]bool   // told already
	report  func(token string, err error)
	names   map[uint64]string
}

func newContainment(runDir string, report func(string, error)) (*containment, error) {
	page, err := guard.OpenPage(runDir)
	if err != nil {
		return nil, err
	}
	return &containment{page: page, folders: map[uint64]string{}, killed: map[uint64]bool{}, names: map[uint64]string{}, report: report}, nil
}

// armGroup has the group of the token silenced and killed when its lease ends. It
// is called before a process starts there.
func (d *deadman) armGroup(name string) error {
	folder, err := unit.GroupFolder("", strings.TrimPrefix(name, groupPrefix))
	if err != nil {
		return err
	}
	id := token.ID(name)
	var leases []*lease.Lease
	if d.leases.Layer() == lease.BPF {
		l, err := d.leases.ArmCgroup(folder)
		if err != nil {
			return err
		}
		leases = []*lease.Lease{l}
	}
	d.mu.Lock()
	err = d.groups.page.Guard(folder, kernelClocks.boot())
	if err == nil {
		d.armed[id] = leases
		d.groups.folders[id], d.groups.names[id], d.groups.killed[id] = folder, name, false
	}
	d.mu.Unlock()
	if err != nil {
		return fmt.Errorf("guard %s: %w", name, err)
	}
	d.renew() // it was armed expired
	return nil
}

// groupPrefix is what the name of a group's token begins with.
const groupPrefix = "group:"

// disarmGroup lets go of a group of which nothing is left.
func (d *deadman) disarmGroup(name string) {
	id := token.ID(name)
	d.mu.Lock()
	folder, guarded := d.groups.folders[id]
	delete(d.groups.folders, id)
	d.mu.Unlock()
	if !guarded {
		return
	}
	d.groups.page.Release(folder)
	if err := d.disarm(name); err != nil {
		d.log.Error("let go of a group's lease", "token", name, "err", err)
	}
}

// renewGroup moves the keeper's expiry. One that has ended counts from now: the
// daemon has a second to stop the group in order. d.mu is held.
func (d *deadman) renewGroup(id uint64, until clock.Instant) {
	if d.groups == nil {
		return
	}
	folder, guarded := d.groups.folders[id]
	if !guarded {
		return
	}
	if until == 0 {
		until = kernelClocks.boot()
	}
	err := d.groups.page.Renew(folder, until)
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
	d.tell(noise{d.loop.journal.say("alarm", "%s: %v", name, err)})
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
			d.setTrouble("keeper", text)
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
	for _, g := range d.cluster().settings.Groups {
		if guarded(g) {
			return true
		}
	}
	return false
}
