package daemon

import (
	"context"
	"runtime"
	"sync"
	"time"

	"vipd/heartbeat"
	"vipd/heartbeat/clock"
	"vipd/token"
)

// speaker puts a message on the wire.
type speaker interface {
	send(heartbeat.Say, heartbeat.Message)
}

// kernel is where leases are enforced, packet by packet.
type kernel interface {
	write(id uint64, until clock.Instant)
}

// beater says what the loop gave it to say: every interval on a thread of its
// own, and at once when the loop asks. It renews the leases with each send, and
// does neither when the loop has not stepped for one dead time.
type beater struct {
	clocks
	lease  time.Duration
	out    speaker
	page   *page
	kernel kernel

	sending sync.Mutex // held from a stamp until it is sent, so that sends are in the order of their stamps

	mu     sync.Mutex // held for microseconds: words and leases in, a message out
	pacer  *heartbeat.Pacer
	limits []clock.Instant // by token; 0: not held
	ids    []uint64        // of the tokens, likewise
	frozen bool            // a restart: the leases stay as they are
	silent bool            // wedged, as last seen
	wedged func(bool)      // told when that changes
}

func newBeater(k clocks, c heartbeat.Config, out speaker, p *page, kernel kernel, wedged func(bool)) *beater {
	return &beater{clocks: k, lease: c.Lease, out: out, page: p, kernel: kernel,
		pacer: heartbeat.NewPacer(c, k.boot()), wedged: wedged}
}

// words replaces what is said, and notes that the loop is alive.
func (b *beater) words(w heartbeat.Words) {
	b.mu.Lock()
	b.pacer.Say(w)
	b.mu.Unlock()
}

// stepped notes that the loop was alive at now.
func (b *beater) stepped(now clock.Instant) {
	b.mu.Lock()
	b.pacer.Stepped(now)
	b.mu.Unlock()
}

// say says something at once, on the caller's thread: an answer must not wait for
// another thread to wake.
func (b *beater) say(s heartbeat.Say) { b.send(s) }

// setLease takes a lease that changed: min(limit, newest send + L). The row is
// whose lease it is; a limit of 0 ends it.
func (b *beater) setLease(l token.Lease, r row) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.limits) <= l.Token {
		b.limits, b.ids = append(b.limits, 0), append(b.ids, 0)
	}
	if l.Limit != 0 {
		b.page.hold(l.Token, r)
	}
	b.limits[l.Token], b.ids[l.Token] = l.Limit, r.id
	b.renew(l.Token)
}

// renew writes one token's expiry. Before the first send an adopted lease stands
// as it was. b.mu is held.
func (b *beater) renew(i int) {
	expiry := b.limits[i]
	switch {
	case b.frozen:
		return
	case expiry != 0 && b.pacer.Sent() != 0:
		expiry = clock.Min(expiry, b.pacer.Sent().Add(b.lease))
	}
	b.write(i, expiry)
}

func (b *beater) write(i int, expiry clock.Instant) {
	b.page.renew(i, expiry)
	b.kernel.write(b.ids[i], expiry)
}

// renewAll writes every token's expiry.
func (b *beater) renewAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.limits {
		b.renew(i)
	}
}

// extend leaves every lease for the given time and changes it no more.
func (b *beater) extend(now clock.Instant, d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.frozen = true
	for i, limit := range b.limits {
		if limit != 0 {
			b.write(i, now.Add(d))
		}
	}
}

// alive reports whether the loop may be spoken for.
func (b *beater) alive() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.pacer.Wedged(b.boot())
}

// run beats until ctx ends.
func (b *beater) run(ctx context.Context) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			b.beat()
			timer.Reset(b.until(b.next()))
		}
	}
}

func (b *beater) next() clock.Instant {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pacer.Next()
}

func (b *beater) beat() {
	b.mu.Lock()
	now := b.boot()
	due := b.pacer.Next() <= now
	if due {
		b.pacer.Beat(now)
	}
	b.mu.Unlock()
	if due {
		b.send(heartbeat.Say{Kind: heartbeat.Beat})
	}
}

// send says one message, or all of its pages: stamp, send, then write the
// leases that the stamp renews.
func (b *beater) send(s heartbeat.Say) {
	b.sending.Lock()
	defer b.sending.Unlock()
	for page := 0; ; page++ {
		m, pages, ok := b.compose(s, page)
		if !ok {
			return
		}
		b.out.send(s, m)
		b.renewAll()
		if !s.Whole || page+1 >= pages {
			return
		}
	}
}

func (b *beater) compose(s heartbeat.Say, page int) (m heartbeat.Message, pages int, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.boot()
	silent := b.pacer.Wedged(now)
	if silent != b.silent {
		b.silent = silent
		b.wedged(silent)
	}
	if silent {
		return m, 0, false
	}
	pages = b.pacer.Pages()
	if !s.Whole && pages > 1 {
		page = -1
	}
	return b.pacer.Compose(s.Kind, page, now, b.wall()), pages, true
}
