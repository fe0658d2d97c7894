package daemon

import (
	"context"

	"vipd/lease"
	"vipd/vipd/daemon/cluster"
	"vipd/vipd/daemon/leasing"
)

// watchLease reports when somebody takes away what enforces the leases; it is put
// back within a second.
func (d *Daemon) watchLease(ctx context.Context) error {
	d.leased.Watch(ctx, func(e lease.Event) {
		d.tell(journalEvent{d.loop.journal.Event("alarm", "lease: %v", e)})
		text := ""
		if e.Err != nil {
			text = "the kernel's lease is not in force: " + e.String()
		}
		d.alarms.Set("lease "+e.What, text)
		d.tell(leaseState{e.What, e.Err})
	})
	return nil
}

// buried says that the keeper has killed a group, or will not guard it.
func (d *Daemon) buried(name string, err error) {
	d.tell(journalEvent{d.loop.journal.Event("alarm", "%s: %v", name, err)})
}

// keepKeeper has a keeper run for as long as ctx lasts.
func (d *Daemon) keepKeeper(ctx context.Context) error {
	leasing.RunKeeper(ctx, d.options.RunDir, d.needsKeeper, func(text string) { d.alarms.Set("keeper", text) })
	return nil
}

func (d *Daemon) needsKeeper() bool {
	for _, g := range d.cluster().Settings.Groups {
		if cluster.Guarded(g) {
			return true
		}
	}
	return false
}

// renewLease has the sender loop write the expiry of the token, by its ID, as it is. Until
// there is a sender loop every lease has run out.
func (d *Daemon) renewLease(id uint64) {
	if d.loop != nil {
		d.loop.sender.Rewrite(id)
	}
}
