package lease

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"vipd/heartbeat/clock"
	"vipd/host/boot"
)

// applier has a goroutine of its own do what may take long, whenever it is roused. Its
// goroutine spends its time in system calls, and so has a thread.
type applier struct {
	wake    chan struct{}
	stop    chan struct{}
	ending  *sync.Once
	stopped chan struct{}          // nil: it was never started
	waiting *atomic.Int64          // since when something is to be done; 0: nothing is
	failing *atomic.Pointer[error] // why it could not be done; nil: it was
}

func newApplier() applier {
	return applier{wake: make(chan struct{}, 1), stop: make(chan struct{}), ending: new(sync.Once), waiting: new(atomic.Int64), failing: new(atomic.Pointer[error])}
}

// tryAgain is how soon what failed is tried again by itself.
const tryAgain = 100 * time.Millisecond

func (a *applier) start(do func() error) {
	a.stopped = make(chan struct{})
	go func() {
		defer close(a.stopped)
		for {
			var again <-chan time.Time
			if a.failing.Load() != nil {
				again = time.After(tryAgain)
			}
			select {
			case <-a.stop:
				return
			case <-a.wake:
			case <-again:
			}
			do()
		}
	}()
}

// rouse has it done soon. It does not wait.
func (a *applier) rouse() {
	a.waiting.CompareAndSwap(0, int64(boot.Now()))
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// end ends the goroutine, and reports whether it has ended.
func (a *applier) end() bool {
	if a.stopped == nil {
		return true
	}
	a.ending.Do(func() { close(a.stop) })
	select {
	case <-a.stopped:
		return true
	case <-time.After(2 * callTime):
		return false
	}
}

// behind is for how long something may wait to be told to the kernel.
const behind = 100 * time.Millisecond

// trouble is why the kernel may not know what it was to be told.
func (a *applier) trouble() error {
	if err := a.failing.Load(); err != nil {
		return *err
	}
	since := a.waiting.Load()
	if late := boot.Now().Sub(clock.Instant(since)); since != 0 && late > behind {
		return fmt.Errorf("the kernel has not answered for %v", late.Round(time.Millisecond))
	}
	return nil
}

// result notes how it went.
func (a *applier) result(err error) error {
	if err == nil {
		a.failing.Store(nil)
		return nil
	}
	a.failing.Store(&err)
	return err
}

// post stores expiries; the ruleset's thread tells the kernel. An error is that of an
// earlier time, if the kernel does not know of that yet.
func (r *ruleset) post(rs []Renewal) error {
	trouble := r.trouble()
	if err := store(rs); err != nil {
		return err
	}
	r.rouse()
	return trouble
}

// write stores expiries and tells the kernel.
func (r *ruleset) write(rs []Renewal) error {
	if err := store(rs); err != nil {
		return err
	}
	return r.apply()
}

// told waits for a transaction that is under way.
func (r *ruleset) told(address netip.Addr, _ clock.Instant) clock.Instant {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.known[address]
}

// apply tells the kernel what it does not know yet. Where the table is gone, or something
// else stands against it, all is installed anew.
func (r *ruleset) apply() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting.Store(0)
	return r.result(r.tellChanged())
}

// tellChanged is apply with r.mu held.
func (r *ruleset) tellChanged() error {
	list := r.changed(boot.Now())
	for start := 0; start < len(list); start += perBatch {
		err := r.transact(list[start:min(start+perBatch, len(list))])
		if err != nil && !errors.Is(err, errLate) {
			return r.reinstall()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// reinstall installs the table anew because it was taken away, and has the next audit
// tell of it. r.mu is held.
func (r *ruleset) reinstall() error {
	err := r.install()
	r.news = append(r.news[:0], Event{"table " + tableName, err})
	return err
}
