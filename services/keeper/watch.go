package keeper

import (
	"fmt"
	"log/slog"
	"os"

	"vipd/heartbeat/clock"
	"vipd/host/boot"
)

// keeper is Run at work.
type keeper struct {
	sheet   *sheet
	root    *root
	boot    boot.ID
	log     *slog.Logger
	watches [MaxGroups]watch
	needed  clock.Instant // when something was guarded last, or the start
}

// watch is what the keeper holds ready for a row.
type watch struct {
	generation, inode uint64
	path              string
	victim            *victim // nil: not found yet
	said              bool    // that there is trouble
}

func newKeeper(o Options) (*keeper, error) {
	this, err := boot.ReadID()
	if err != nil {
		return nil, err
	}
	r, err := openRoot(o.Root, o.Only)
	if err != nil {
		return nil, err
	}
	s, err := openSheet(o.RunDir)
	if err != nil {
		r.close()
		return nil, err
	}
	return &keeper{sheet: s, root: r, boot: this, log: o.Log, needed: boot.Now()}, nil
}

func (k *keeper) close() {
	for i := range k.watches {
		k.watches[i].drop()
	}
	k.root.close()
	k.sheet.Close()
}

func (w *watch) drop() {
	if w.victim != nil {
		w.victim.close()
	}
	*w = watch{}
}

// done says why the keeper is no longer needed; empty while it is.
func (k *keeper) done(now clock.Instant) string {
	switch {
	case k.needed == now:
		return ""
	case k.sheet.Removed():
		return "the page is gone"
	case now.Sub(k.needed) >= linger:
		return "nothing to guard"
	}
	return ""
}

// look looks at every row, kills what has run out, and says when to look again.
func (k *keeper) look(now clock.Instant) (next clock.Instant) {
	k.sheet.Word(atKeeper).Store(uint64(os.Getpid()))
	k.sheet.Word(atLooked).Store(uint64(now))
	next = now.Add(idleEvery)
	if !k.sheet.valid(k.boot) {
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

// row does what is due for one row, and returns when it will be and what the row
// is now.
func (k *keeper) row(i int, now clock.Instant) (due clock.Instant, is Status) {
	s := state(k.sheet.state(i).Load())
	w := &k.watches[i]
	if inode := k.sheet.field(i, rowInode).Load(); s.status() == free || s.generation() != w.generation || inode != w.inode {
		w.drop()
		w.generation, w.inode = s.generation(), inode
	}
	if s.status() == free || s.status() == Refused {
		return clock.Never, s.status()
	}
	if w.victim == nil && !k.find(i, s, w) {
		return clock.Never, state(k.sheet.state(i).Load()).status()
	}
	if s.status() != Armed {
		return clock.Never, k.kill(i, s, w)
	}
	expiry := k.sheet.expiry(i)
	if expiry > now.Add(MaxAhead) {
		k.refuse(i, s, w, fmt.Errorf("expiry more than %v ahead", MaxAhead))
		return clock.Never, Refused
	}
	if due = expiry.Add(Grace); due > now {
		return due, Armed
	}
	claimed := s.become(Killing)
	if !k.sheet.state(i).CompareAndSwap(uint64(s), uint64(claimed)) {
		return clock.Never, Armed // released or another's: the next look knows
	}
	k.log.Warn("killing a group whose lease has run out", "group", w.path, "expired", now.Sub(expiry))
	return clock.Never, k.kill(i, claimed, w)
}

// find opens the row's group. A row that may not be acted on is refused, or dead if
// it was to be killed.
func (k *keeper) find(i int, s state, w *watch) bool {
	r, ok := k.sheet.read(i)
	if !ok || r.state != s {
		return false
	}
	w.path = r.path
	v, err := k.root.find(r)
	switch {
	case err == nil:
		w.victim = v
		return true
	case passing(err):
		k.say(w, "can't get ready for a group", err)
	case s.status() != Armed:
		k.sheet.state(i).CompareAndSwap(uint64(s), uint64(s.become(Killed)))
	default:
		k.refuse(i, s, w, err)
	}
	return false
}

// refuse marks the row, so that the daemon learns it.
func (k *keeper) refuse(i int, s state, w *watch, why error) {
	if k.sheet.state(i).CompareAndSwap(uint64(s), uint64(s.become(Refused))) {
		k.log.Error("refused to guard a group", "group", w.path, "why", why)
	}
}

// kill kills, again for as long as the row stands: who thaws later may still put a
// process there.
func (k *keeper) kill(i int, s state, w *watch) Status {
	if err := w.victim.kill(); err != nil {
		k.say(w, "can't kill a group", err)
		return Killing
	}
	k.sheet.state(i).CompareAndSwap(uint64(s), uint64(s.become(Killed)))
	return Killed
}

// say logs trouble with a row once.
func (k *keeper) say(w *watch, what string, err error) {
	if !w.said {
		k.log.Error(what, "group", w.path, "err", err)
	}
	w.said = true
}
