package daemon

import (
	"fmt"
	"net/netip"

	"vipd/sharedip"
	"vipd/token"
	"vipd/vipd/daemon/addresses"
	"vipd/vipd/daemon/cluster"
	"vipd/vipd/daemon/leasing"
	"vipd/vipd/daemon/state"
	"vipd/vipd/node"
)

// boot finds what the disk and the kernel know, and does what node.Boot decides about
// it before the first heartbeat.
func (d *Daemon) boot(left []leasing.Row, disk *state.Store) error {
	held, err := d.hands.Held()
	if err != nil {
		return err
	}
	running, err := d.adoptGroups()
	if err != nil {
		return err
	}
	if err := d.sweepGroups(); err != nil {
		return err
	}
	l := d.loop
	kept := node.Kept{Suspended: disk.State().Suspended, Halted: disk.State().Halted}
	found := d.found(held, running, left, disk)
	d.carryEpochs(found)
	for _, a := range node.Boot(d.clocks.Now(), l.longest, found, kept) {
		if err := d.carryOut(a, running); err != nil {
			return err
		}
	}
	if err := d.leased.Clear(); err != nil { // what stays armed is expired; the next take of it arms it anew
		d.log.Error("could not let go of leases of an earlier daemon", "err", err)
	}
	l.updateEligibility()
	status := d.buildStatus()
	l.cachedStatus.Store(&status)
	return nil
}

// found gathers what is known of every token.
func (d *Daemon) found(held map[string][]netip.Prefix, running map[int][]bool, left []leasing.Row, disk *state.Store) (list []node.Found) {
	for i, w := range d.loop.workers {
		spec := d.loop.machine.Tokens().Spec(i)
		_, units := running[i]
		f := node.Found{Token: i, Bits: spec.Bits, Group: d.runnerOf(i) != nil, Up: units || len(held[w.Name()]) > 0, Record: disk.Record(w.Name())}
		if r, ok := leftOf(left, spec.ID); ok {
			f.Lease = r.Found()
		}
		list = append(list, f)
	}
	return list
}

// carryEpochs writes the epochs that were found to the new lease page, without a lease.
func (d *Daemon) carryEpochs(found []node.Found) {
	for _, f := range found {
		if f.Lease.Epoch != 0 {
			d.page.Hold(f.Token, leasing.Row{ID: d.loop.machine.Tokens().Spec(f.Token).ID, Epoch: f.Lease.Epoch, Since: f.Lease.Since})
		}
	}
}

// carryOut does one step of a start.
func (d *Daemon) carryOut(a node.BootAction, running map[int][]bool) error {
	l := d.loop
	switch a := a.(type) {
	case node.Adopt:
		if c := d.runnerOf(a.Token); c != nil {
			d.resume(c, a, running[a.Token])
		} else if !d.adopt(l.workers[a.Token], a) {
			return d.removeFound(l.workers[a.Token])
		}
	case node.Remove:
		if c := d.runnerOf(a.Token); c != nil {
			return d.stopFound(c)
		}
		return d.removeFound(l.workers[a.Token])
	case node.Tell:
		l.step(a.Event)
	}
	return nil
}

// removeFound removes an address that may not stay.
func (d *Daemon) removeFound(w *addresses.Worker) error {
	if err := d.hands.Drop(w.Name()); err != nil {
		return err
	}
	d.log.Info("removed an address whose lease had ended", "token", w.Name())
	return nil
}

// adopt takes over a token that the daemon before held.
func (d *Daemon) adopt(w *addresses.Worker, a node.Adopt) bool {
	l := d.loop
	r := leasing.Row{ID: token.ID(w.Name()), Epoch: a.Lease.Epoch, Expiry: a.Lease.Expiry, Since: a.Lease.Since, Pinned: a.Lease.Pinned}
	l.sender.SetLease(token.Lease{Token: a.Token, Limit: r.Expiry, Epoch: r.Epoch}, r)
	if err := d.hands.Take(w.Name(), r.Epoch); err != nil {
		d.log.Error("could not adopt an address", "token", w.Name(), "err", err)
		l.sender.SetLease(token.Lease{Token: a.Token}, r)
		return false
	}
	l.owns.Store(w.Name(), a.Token)
	l.step(a.Event(d.clocks.Now()))
	return true
}

func leftOf(left []leasing.Row, id uint64) (leasing.Row, bool) {
	for _, r := range left {
		if r.ID == id {
			return r, true
		}
	}
	return leasing.Row{}, false
}

// workerOptions are the surroundings of every worker.
func (d *Daemon) workerOptions() addresses.WorkerOptions {
	return addresses.WorkerOptions{Node: d.cluster().Self.Name, Hands: d.hands, Answer: func(ev token.Event) { d.tell(ev) }, Log: d.log}
}

// syncWorkers gives every token of the machine a worker that knows its configuration,
// and returns the new ones. A number that has become another token's begins
// anew; the worker it had has nothing left to do.
func (l *loop) syncWorkers(c *cluster.View, o addresses.WorkerOptions) (fresh []*addresses.Worker) {
	tokens := l.machine.Tokens()
	for i := range tokens.Tokens() {
		name := tokens.Spec(i).Name
		if i == len(l.workers) {
			l.workers, l.reason = append(l.workers, nil), append(l.reason, 0)
		}
		if old := l.workers[i]; old == nil || old.Name() != name {
			if old != nil {
				old.Close()
			}
			l.reason[i] = 0
			delete(l.failed, i)
			delete(l.fights, i)
			delete(l.takes, i)
			l.workers[i] = addresses.NewWorker(i, name, o)
			fresh = append(fresh, l.workers[i])
		}
		if vip, ok := c.VIP(name); ok {
			l.workers[i].SetVIP(vip)
		}
	}
	return fresh
}

// onAddressEvent takes what the hands saw in the kernel.
func (d *Daemon) onAddressEvent(e sharedip.Event) {
	j := d.loop.journal
	switch e := e.(type) {
	case sharedip.AddressGone:
		d.tell(journalEvent{j.Event("address", "%s: somebody removed %s; put back", e.Token, e.Prefix.Addr())})
	case sharedip.AddressLost:
		d.tell(journalEvent{j.Event("alarm", "%s: %s is gone and can't be put back: %v", e.Token, e.Prefix.Addr(), e.Err)})
		d.tell(addressLost{e.Token, fmt.Errorf("%s is gone and can't be put back: %w", e.Prefix.Addr(), e.Err)})
	case sharedip.Fought:
		d.tell(journalEvent{j.Event("alarm", "%s: somebody keeps removing its address; handing it over", e.Token)})
		d.tell(addressContested{e.Token})
	case sharedip.AnnounceFailed:
		d.tell(journalEvent{j.Event("alarm", "%s: could not announce %s: %v", e.Token, e.Prefix.Addr(), e.Err)})
	case sharedip.LinkUp:
		select {
		case d.linkUp <- struct{}{}: // what is put back answers at once: its heartbeats must not be a second late
		default:
		}
		d.check()
		d.tell(journalEvent{j.Event("link", "%s: link up", e.Interface)})
		d.tell(linksChanged{})
	case sharedip.LinkDown:
		d.check()
		d.tell(journalEvent{j.Event("link", "%s: link down", e.Interface)})
		d.tell(linksChanged{})
	case sharedip.Standing:
		if err := d.leased.Standing(e); err != nil {
			d.log.Error("could not silence an address that somebody else put on this host", "token", e.Token, "err", err)
		}
		d.check()
	case sharedip.SettingsChanged:
		d.check()
		d.tell(linksChanged{})
	default:
		d.onNetworkEvent(e)
	}
}
