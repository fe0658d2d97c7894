package sharedip

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
	"vipd/sharedip/announce"
	"vipd/sharedip/rtnl"

	"golang.org/x/sys/unix"
)

const (
	// noticeQueue is how much news may wait for Run. More waits in the socket,
	// and when that is full the kernel says so and Run reads everything again.
	noticeQueue = 256
	// hotTime is how long after a link event the carrier is looked at every
	// hotInterval: the kernel may delay its next event by 0.8 s.
	hotTime     = time.Second
	hotInterval = 2 * time.Millisecond
	// refreshGap is the least time between two looks at the whole host, however
	// fast it changes.
	refreshGap = 2 * time.Millisecond
	// rulesEvery is how often the carriers are looked at where no Glance comes before, and
	// settings that the kernel tells no change of: a change is to be known within a second.
	rulesEvery = 800 * time.Millisecond
)

// Run watches the kernel until ctx ends: it puts back what others remove,
// repeats announcements, and reports carriers. It may be run once at a time.
func (h *AddressManager) Run(ctx context.Context) error {
	notices := make(chan rtnl.Notice, noticeQueue)
	ended, stop := h.readAll(ctx, notices)
	defer stop()
	h.setWatching(true)
	defer h.setWatching(false)

	w := watcher{hands: h, stale: true}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case err := <-ended:
			return err
		case n := <-notices:
			w.handle(n)
			for range len(notices) {
				w.handle(<-notices)
			}
		case <-h.wake:
		case <-h.checkCarriers:
			w.pollAt = time.Time{}
		case <-timer.C:
		}
		timer.Reset(time.Until(w.work()))
	}
}

// readAll starts the readers of all sockets. The first that ends says so; stop
// ends the others.
func (h *AddressManager) readAll(ctx context.Context, notices chan<- rtnl.Notice) (ended <-chan error, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	readers := []func(context.Context) error{
		func(ctx context.Context) error { return h.read(ctx, notices) }, h.readClaims, h.readTraffic,
	}
	all := make(chan error, len(readers))
	h.setReadDeadlines(time.Time{})
	context.AfterFunc(ctx, func() { h.setReadDeadlines(time.Unix(1, 0)) })
	var running sync.WaitGroup
	for _, read := range readers {
		running.Go(func() { all <- read(ctx) })
	}
	return all, func() { cancel(); running.Wait() }
}

func (h *AddressManager) setReadDeadlines(at time.Time) {
	h.watch.SetReadDeadline(at)
	h.frameReader.SetReadDeadline(at)
	h.trafficReader.SetReadDeadline(at)
}

func (h *AddressManager) setWatching(on bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.watching, h.seen = on, nil
	h.snapshot.Store(nil)
}

// emit passes events on. It is never called with h.mu held.
func (h *AddressManager) emit(events []Event) {
	for _, e := range events {
		h.options.Event(e)
	}
}

// read turns the kernel's messages into notices until ctx ends.
func (h *AddressManager) read(ctx context.Context, notices chan<- rtnl.Notice) error {
	for {
		messages, err := h.watch.Receive()
		var news []rtnl.Notice
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.ENOBUFS):
			h.counters.resyncs.Add(1)
			news = []rtnl.Notice{{Kind: rtnl.Overrun}}
		case errors.Is(err, rtnl.ErrForeign):
			h.counters.foreign.Add(1)
		case err != nil:
			return fmt.Errorf("watch addresses and links: %w", err)
		default:
			news = rtnl.Notices(messages)
		}
		for _, n := range news {
			select {
			case notices <- n:
			case <-ctx.Done():
				return nil
			}
		}
	}
}

// watcher is what Run's goroutine alone knows.
type watcher struct {
	hands    *AddressManager
	stale    bool // the view has to be read again
	lost     bool // and news has been lost before
	fresh    time.Time
	hotUntil time.Time
	pollAt   time.Time
	rules    time.Time // when the settings of all interfaces were looked at
}

// handle takes in one notice.
func (w *watcher) handle(n rtnl.Notice) {
	now := time.Now()
	switch n.Kind {
	case rtnl.Overrun:
		w.stale, w.lost = true, true
		w.heat(now)
	case rtnl.LinkChanged:
		w.stale = true
		w.heat(now)
	default:
		events, shared := w.hands.addressChanged(n, now)
		w.stale = w.stale || !shared
		w.hands.emit(events)
	}
}

// heat looks at the carriers often for a while.
func (w *watcher) heat(now time.Time) {
	w.hotUntil = now.Add(hotTime)
	w.pollAt = now
}

// work does what is due, and returns when there is more to do.
func (w *watcher) work() (next time.Time) {
	h, now := w.hands, time.Now()
	if !now.Before(w.pollAt) {
		w.poll(now)
	}
	next = w.pollAt
	if h.taking.Load() > 0 {
		return next // what else is to be done can wait for them; the last rouses us
	}
	if w.stale = w.stale || h.unseen(); w.stale && now.Sub(w.fresh) >= refreshGap {
		events, err := h.refresh(now, w.lost)
		w.stale, w.lost = err != nil, w.lost && err != nil
		w.fresh = now
		h.emit(events)
	}
	if w.stale {
		next = announce.Earlier(next, w.fresh.Add(refreshGap))
	}
	events, doubtful := h.resolve(now)
	h.emit(events)
	next = announce.Earlier(next, doubtful)
	next = announce.Earlier(next, h.watchTraffic(now))
	next = announce.Earlier(next, h.announceDue(now))
	return announce.Earlier(next, h.retune(now))
}

// poll looks at the carriers themselves, and now and then at what else is told by no news.
func (w *watcher) poll(now time.Time) {
	all := now.Sub(w.rules) >= rulesEvery
	if all {
		w.rules = now
	}
	if w.hands.linksDiffer(all) {
		w.stale = true
		w.heat(now)
	}
	w.pollAt = w.rules.Add(rulesEvery) // Glance is earlier where it is needed
	if now.Before(w.hotUntil) {
		w.pollAt = announce.Earlier(w.pollAt, now.Add(hotInterval))
	}
}

// unseen reports whether the host has to be looked at again.
func (h *AddressManager) unseen() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.seen == nil
}
