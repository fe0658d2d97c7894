package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"

	"vipd/host/boot"
	"vipd/sharedip"
	"vipd/token"
	"vipd/vipd/daemon/addresses"
	"vipd/vipd/daemon/preflight"
	"vipd/vipd/node"
)

// Run runs every part until the daemon is stopped, or is to restart, which the
// error errRestart says.
func (d *Daemon) Run(ctx context.Context) error {
	running, leave := context.WithCancelCause(context.WithoutCancel(ctx))
	d.loop.leaving = leave
	d.ended = running.Done()
	var parts, hooks sync.WaitGroup
	d.spawn = func(w *addresses.Worker) {
		parts.Go(func() { w.Run(running) })
		hooks.Go(func() { w.RunHooks(d.hookTrouble(w.Name())) })
	}
	d.start = func(f func(context.Context)) { parts.Go(func() { f(running) }) }
	for _, f := range d.waiting {
		d.start(f)
	}
	for _, w := range d.loop.workers {
		d.spawn(w)
	}
	parts.Go(func() { d.loop.sender.Run(running) })
	parts.Go(func() { d.loop.writer.Run(running) })
	parts.Go(func() { d.renew(running) })
	parts.Go(func() { d.watchHost(running) })
	parts.Go(func() { d.lookAgain(running) })
	if d.copies.copied() { // noticed before there was a loop to end
		leave(errRestart)
	}
	if d.copies != nil {
		parts.Go(func() { d.watchCopies(running) })
	}
	for _, p := range d.parts {
		parts.Go(func() { fail(leave, p.does, p.run(running)) })
	}
	parts.Go(func() { d.tendPaths(running) })
	parts.Go(func() { d.loop.run(running) })
	parts.Go(func() { d.onSignals(running, ctx, d.signals) })
	d.log.Info("running", "node", d.cluster().Self.Name, "cluster", d.cluster().Settings.Cluster, "configuration", d.cluster().Settings.DigestText())
	<-running.Done()
	parts.Wait()
	why := context.Cause(running)
	if errors.Is(why, errRestart) {
		return why // hooks under way go on beside the new program
	}
	hooks.Wait()
	if errors.Is(why, errStopped) {
		return nil
	}
	return why
}

// fail ends the daemon when a part that it can't do without has failed.
func fail(leave context.CancelCauseFunc, what string, err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		leave(fmt.Errorf("%s: %w", what, err))
	}
}

// onSignals turns signals, and the end of the caller's context, into events.
func (d *Daemon) onSignals(running, caller context.Context, signals <-chan os.Signal) {
	ended := caller.Done()
	for {
		var ev any = node.Stop{}
		select {
		case <-running.Done():
			return
		case <-ended:
			ended = nil
		case s := <-signals:
			switch s {
			case syscall.SIGHUP:
				take := d.reread(false)
				ev = callOnLoop{func() { take() }}
			case syscall.SIGUSR2:
				ev = node.Restart{}
			}
		}
		if !d.loop.post(ev, running.Done()) {
			return
		}
	}
}

// renew lets the held addresses live on in the kernel, as long as the loop may
// be spoken for: this is the dead-man switch.
func (d *Daemon) renew(ctx context.Context) {
	every := sharedip.MinLifetime * 3 / 10
	if d.leased != nil {
		every = d.leased.Lifetime() * 3 / 10
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !d.loop.sender.Alive() {
			continue
		}
		if err := d.hands.Renew(); err != nil {
			d.doubtRights(err)
			d.log.Error("could not renew the addresses' lifetime", "err", err)
		}
	}
}

// How often the host is looked at: quickly while the machine listens for any
// foreign frame, seldom for the state of its clock.
const (
	foreignEvery = 20 * time.Millisecond
	clockEvery   = 10 * time.Second
)

// watchHost tells the machine when a frame of another host has come, which shows that
// the network forwards, after the start and after each freeze; and whether the clock is
// synchronised.
func (d *Daemon) watchHost(ctx context.Context) {
	d.tell(node.Synced{On: boot.Synchronised(), Wall: d.clocks.Wall()})
	d.tellMACs()
	before := map[int]uint64{}
	frames, sync := time.NewTicker(foreignEvery), time.NewTicker(clockEvery)
	defer frames.Stop()
	defer sync.Stop()
	for d.received(before); ; {
		select {
		case <-ctx.Done():
			return
		case <-d.loop.thawed:
			clear(before)
			d.received(before)
			frames.Reset(foreignEvery)
		case <-frames.C:
			if d.received(before) {
				d.tell(token.NetworkForwarding{})
				frames.Stop()
			}
		case <-sync.C:
			d.tell(node.Synced{On: boot.Synchronised(), Wall: d.clocks.Wall()})
		}
	}
}

// againEvery is how often it is looked again whether the addresses could work
// here: not all that decides it is told as a change of a link.
const againEvery = 5 * time.Second

func (d *Daemon) lookAgain(ctx context.Context) {
	tick := time.NewTicker(againEvery)
	defer tick.Stop()
	lacked := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.doubted:
		case <-tick.C:
			d.check()
			d.tellMACs()
			d.checkNames()
		}
		lacked = d.checkRights(lacked)
		d.tryPost(linksChanged{})
	}
}

// checkRights tells the loop when a right is lost, and when it is back.
func (d *Daemon) checkRights(lacked bool) bool {
	err := d.rights.Missing()
	if (err != nil) == lacked {
		return lacked
	}
	text := ""
	say := d.loop.journal.Event("alarm", "the right to set addresses is back")
	if err != nil {
		text = fmt.Sprintf("this host can hold no address: %v", err)
		say.Text = text
	}
	d.alarms.Set("rights", text)
	d.tell(journalEvent{say})
	d.tell(lacks{err})
	return err != nil
}

// doubtRights has the rights looked at soon, if the kernel has refused something for them.
func (d *Daemon) doubtRights(err error) {
	if preflight.RightsRefusal(err) != nil {
		d.lookAtRights()
	}
}

// lookAtRights has the rights looked at now instead of at the next look.
func (d *Daemon) lookAtRights() {
	select {
	case d.doubted <- struct{}{}:
	default: // that is under way
	}
}

// received reports whether the interface of a path has received frames since it
// was first looked at; before holds the counts of then.
func (d *Daemon) received(before map[int]uint64) bool {
	for _, p := range d.paths {
		conn := p.conn.Load()
		if conn == nil {
			continue
		}
		index := conn.Interface().Index
		link, err := netlink.LinkByIndex(index)
		if err != nil || link.Attrs().Statistics == nil {
			continue
		}
		now := link.Attrs().Statistics.RxPackets
		if first, known := before[index]; known && now > first {
			return true
		} else if !known {
			before[index] = now
		}
	}
	return false
}

// reexec replaces this process by the program as it is on disk now, which an
// upgrade may have changed; the process keeps its number.
func reexec(only *preflight.Instance) error {
	path, err := os.Executable()
	if err != nil {
		return fmt.Errorf("restart: %w", err)
	}
	if _, err := os.Stat(path); err != nil && len(path) > len(deleted) {
		path = path[:len(path)-len(deleted)]
	}
	return fmt.Errorf("restart %s: %w", path, only.Exec(path, os.Args, os.Environ()))
}

// deleted is what Linux appends to the path of a program that was replaced.
const deleted = " (deleted)"
