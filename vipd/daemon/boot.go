package daemon

import (
	"fmt"

	"vipd/sharedip"
	"vipd/token"
	"vipd/vipd/node"
)

// boot tells the machine what the disk and the kernel know. What is still up
// under a lease that lasts is adopted without a gap; anything else of ours that
// is still up is removed before the first heartbeat says that we don't hold it.
func (d *Daemon) boot(left []row, disk *store) error {
	held, err := d.hands.Held()
	if err != nil {
		return err
	}
	l := d.loop
	if err := d.muster(left, disk); err != nil {
		return err
	}
	for i, w := range l.workers {
		if len(held[w.name]) == 0 {
			continue
		}
		r, ok := leftOf(left, token.ID(w.name))
		if ok && r.adoptable(d.clocks.boot(), l.longest) && d.adopt(i, w, r) {
			continue
		}
		if err := d.hands.Drop(w.name); err != nil {
			return err
		}
		d.log.Info("removed an address whose lease had ended", "token", w.name)
	}
	var recalled token.Several
	for i, w := range l.workers {
		recalled = append(recalled, token.Recall{Token: i, Record: disk.record(w.name)})
	}
	l.step(recalled)
	l.step(node.Halted{Names: disk.state().Halted})
	if err := d.deadman.clear(); err != nil { // what stays armed is expired; the next take of it arms it anew
		d.log.Error("could not let go of leases of an earlier daemon", "err", err)
	}
	if disk.state().Suspended {
		l.step(node.Suspended{On: true})
	}
	l.judge()
	status := d.look()
	l.taken.Store(&status)
	return nil
}

// adopt takes over a token that the daemon before held.
func (d *Daemon) adopt(i int, w *worker, r row) bool {
	l := d.loop
	l.beater.setLease(token.Lease{Token: i, Limit: r.expiry, Epoch: r.epoch}, r)
	if err := d.hands.Take(w.name, r.epoch); err != nil {
		d.log.Error("could not adopt an address", "token", w.name, "err", err)
		l.beater.setLease(token.Lease{Token: i}, r)
		return false
	}
	now := d.clocks.boot()
	l.owns.Store(w.name, i)
	l.step(token.Adopt{Token: i, Epoch: r.epoch, Expiry: r.expiry, Tenure: now.Sub(r.since), Pinned: r.pinned})
	return true
}

func leftOf(left []row, id uint64) (row, bool) {
	for _, r := range left {
		if r.id == id {
			return r, true
		}
	}
	return row{}, false
}

// match gives every token of the machine a worker that knows its configuration,
// and returns the new ones. A number that has become another token's begins
// anew; the worker it had has nothing left to do.
func (l *loop) match(c *cluster, hands Hands, answer func(any)) (fresh []*worker) {
	tokens := l.machine.Tokens()
	for i := range tokens.Tokens() {
		name := tokens.Spec(i).Name
		if i == len(l.workers) {
			l.workers, l.reason = append(l.workers, nil), append(l.reason, 0)
		}
		if old := l.workers[i]; old == nil || old.name != name {
			if old != nil {
				close(old.jobs)
			}
			l.reason[i] = 0
			delete(l.failed, i)
			delete(l.fights, i)
			delete(l.takes, i)
			l.workers[i] = &worker{number: i, name: name, node: c.self.Name, hands: hands, answer: answer, log: l.log,
				jobs: make(chan job, jobsWaiting), hooks: make(chan hookRun, hooksWaiting)}
			fresh = append(fresh, l.workers[i])
		}
		if vip, ok := c.vip(name); ok {
			l.workers[i].set(vip)
		}
	}
	return fresh
}

// felt takes what the hands saw in the kernel.
func (d *Daemon) felt(e sharedip.Event) {
	j := d.loop.journal
	switch e := e.(type) {
	case sharedip.AddressGone:
		d.tell(noise{j.say("address", "%s: somebody removed %s; put back", e.Token, e.Prefix.Addr())})
	case sharedip.AddressLost:
		d.tell(noise{j.say("alarm", "%s: %s is gone and can't be put back: %v", e.Token, e.Prefix.Addr(), e.Err)})
		d.tell(addressLost{e.Token, fmt.Errorf("%s is gone and can't be put back: %w", e.Prefix.Addr(), e.Err)})
	case sharedip.Fought:
		d.tell(noise{j.say("alarm", "%s: somebody keeps removing its address; handing it over", e.Token)})
		d.tell(fought{e.Token})
	case sharedip.AnnounceFailed:
		d.tell(noise{j.say("alarm", "%s: could not announce %s: %v", e.Token, e.Prefix.Addr(), e.Err)})
	case sharedip.LinkUp:
		d.check()
		d.tell(noise{j.say("link", "%s: link up", e.Interface)})
		d.tell(links{})
	case sharedip.LinkDown:
		d.check()
		d.tell(noise{j.say("link", "%s: link down", e.Interface)})
		d.tell(links{})
	case sharedip.Standing:
		if err := d.deadman.standing(e); err != nil {
			d.log.Error("could not silence an address that somebody else put on this host", "token", e.Token, "err", err)
		}
		d.check()
	case sharedip.SettingsChanged:
		d.check()
		d.tell(links{})
	default:
		d.heard(e)
	}
}
