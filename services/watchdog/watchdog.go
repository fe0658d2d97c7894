package watchdog

import (
	"fmt"
	"log/slog"
	"os"

	"vipd/heartbeat/clock"
	"vipd/host/boot"
)

// watchdog is Run at work.
type watchdog struct {
	page    *pageFile
	root    *root
	boot    boot.ID
	log     *slog.Logger
	targets [MaxGroups]rowTarget
	needed  clock.Instant // when something was guarded last, or the start
}

// rowTarget is the open group of a row, ready for the kill.
type rowTarget struct {
	generation, inode uint64
	path              string
	target            *killTarget // nil: not found yet
	logged            bool        // that there is trouble
}

func newWatchdog(o Options) (*watchdog, error) {
	this, err := boot.ReadID()
	if err != nil {
		return nil, err
	}
	r, err := openRoot(o.Root, o.Only)
	if err != nil {
		return nil, err
	}
	s, err := openPageFile(o.RunDir)
	if err != nil {
		r.close()
		return nil, err
	}
	return &watchdog{page: s, root: r, boot: this, log: o.Log, needed: boot.Now()}, nil
}

func (k *watchdog) close() {
	for i := range k.targets {
		k.targets[i].close()
	}
	k.root.close()
	k.page.Close()
}

func (w *rowTarget) close() {
	if w.target != nil {
		w.target.close()
	}
	*w = rowTarget{}
}

// done says why the watchdog is no longer needed; empty while it is.
func (k *watchdog) done(now clock.Instant) string {
	switch {
	case k.needed == now:
		return ""
	case k.page.Removed():
		return "the page is gone"
	case now.Sub(k.needed) >= linger:
		return "nothing to guard"
	}
	return ""
}

// scan reads every row, kills each group whose time is over, and returns when the next
// scan is due.
func (k *watchdog) scan(now clock.Instant) (next clock.Instant) {
	k.page.Word(atKeeper).Store(uint64(os.Getpid()))
	k.page.Word(atLooked).Store(uint64(now))
	next = now.Add(idleEvery)
	if !k.page.valid(k.boot) {
		return next
	}
	for i := range MaxGroups {
		switch due, status := k.row(i, now); status {
		case Armed, Killing:
			k.needed = now
			next = min(next, now.Add(busyEvery), due)
		case Killed:
			next = min(next, now.Add(busyEvery))
		}
	}
	return next
}

// row takes the step that is due for one row, and returns when the next one is due and
// the status of the row now.
func (k *watchdog) row(i int, now clock.Instant) (due clock.Instant, is Status) {
	s := state(k.page.state(i).Load())
	w := &k.targets[i]
	if inode := k.page.field(i, rowInode).Load(); s.status() == free || s.generation() != w.generation || inode != w.inode {
		w.close()
		w.generation, w.inode = s.generation(), inode
	}
	if s.status() == free || s.status() == Refused {
		return clock.Never, s.status()
	}
	if w.target == nil && !k.find(i, s, w) {
		return clock.Never, state(k.page.state(i).Load()).status()
	}
	if s.status() != Armed {
		return clock.Never, k.kill(i, s, w)
	}
	expiry := k.page.expiry(i)
	if expiry > now.Add(MaxAhead) {
		k.refuse(i, s, w, fmt.Errorf("expiry more than %v ahead", MaxAhead))
		return clock.Never, Refused
	}
	if due = expiry.Add(Grace); due > now {
		return due, Armed
	}
	claimed := s.become(Killing)
	if !k.page.state(i).CompareAndSwap(uint64(s), uint64(claimed)) {
		return clock.Never, Armed // released or another's: the next look knows
	}
	k.log.Warn("killing a group whose lease has run out", "group", w.path, "expired", now.Sub(expiry))
	return clock.Never, k.kill(i, claimed, w)
}

// find opens the row's group. A row that may not be acted on is refused, or dead if
// it was to be killed.
func (k *watchdog) find(i int, s state, w *rowTarget) bool {
	r, ok := k.page.read(i)
	if !ok || r.state != s {
		return false
	}
	w.path = r.path
	v, err := k.root.find(r)
	switch {
	case err == nil:
		w.target = v
		return true
	case temporary(err):
		k.logOnce(w, "can't get ready for a group", err)
	case s.status() != Armed:
		k.page.state(i).CompareAndSwap(uint64(s), uint64(s.become(Killed)))
	default:
		k.refuse(i, s, w, err)
	}
	return false
}

// refuse marks the row, so that the daemon learns it.
func (k *watchdog) refuse(i int, s state, w *rowTarget, why error) {
	if k.page.state(i).CompareAndSwap(uint64(s), uint64(s.become(Refused))) {
		k.log.Error("refused to guard a group", "group", w.path, "why", why)
	}
}

// kill kills, again for as long as the row stands: a daemon that thaws later may still
// put a process there.
func (k *watchdog) kill(i int, s state, w *rowTarget) Status {
	if err := w.target.kill(); err != nil {
		k.logOnce(w, "can't kill a group", err)
		return Killing
	}
	k.page.state(i).CompareAndSwap(uint64(s), uint64(s.become(Killed)))
	return Killed
}

// logOnce logs trouble with a row once.
func (k *watchdog) logOnce(w *rowTarget, what string, err error) {
	if !w.logged {
		k.log.Error(what, "group", w.path, "err", err)
	}
	w.logged = true
}
