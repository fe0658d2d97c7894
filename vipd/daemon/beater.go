package daemon

import (
	"context"
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

// beater says what the loop gave it to say: every interval on a goroutine of its
// own, and at once when the loop asks. It renews the leases with each send, and
// does neither when the loop has not stepped for one dead time.
type beater struct {
	clocks
	lease  time.Duration
	out    speaker
	page   *page
	kernel kernel
	alarm  alarm
	beaten func() // called after each beat

	sending sync.Mutex // held from a stamp until it is sent, so that sends are in the order of their stamps

	mu     sync.Mutex // held for microseconds: words and leases in, a message out
	pacer  *heartbeat.Pacer
	terms  []token.Term // of the leases, by token
	ids    []uint64     // of the tokens, likewise
	late   []token.Ended
	frozen bool       // a restart: the leases stay as they are
	silent bool       // wedged, as last seen
	wedged func(bool) // told when that changes
}

func newBeater(k clocks, c heartbeat.Config, out speaker, p *page, kernel kernel, wedged func(bool), beaten func()) *beater {
	return &beater{clocks: k, lease: c.Lease, out: out, page: p, kernel: kernel,
		pacer: heartbeat.NewPacer(c, k.boot()), wedged: wedged, beaten: beaten}
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

// setLease takes a lease that changed. The row is whose lease it is; a limit of 0
// ends it.
func (b *beater) setLease(l token.Lease, r row) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.terms) <= l.Token {
		b.terms, b.ids = append(b.terms, token.Term{Length: b.lease}), append(b.ids, 0)
	}
	if l.Limit != 0 {
		b.page.hold(l.Token, r)
	}
	b.ids[l.Token] = r.id
	sent := b.pacer.Sent()
	if sent == 0 && l.Limit == clock.Never {
		sent = b.boot() // an adopted lease without a limit runs from now
	}
	b.terms[l.Token].Grant(l, sent)
	if !b.frozen {
		b.write(l.Token, b.terms[l.Token].Expiry())
	}
}

func (b *beater) write(i int, expiry clock.Instant) {
	b.page.renew(i, expiry)
	b.kernel.write(b.ids[i], expiry)
}

// rewrite writes the expiry of one token, by its ID, as it is.
func (b *beater) rewrite(id uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.terms {
		if b.ids[i] == id && !b.frozen {
			b.write(i, b.terms[i].Expiry())
		}
	}
}

func (b *beater) writeAll() {
	for i := range b.terms {
		if !b.frozen {
			b.write(i, b.terms[i].Expiry())
		}
	}
}

// renew renews every lease by what was just sent.
func (b *beater) renew() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.terms {
		if t := &b.terms[i]; t.Renew(b.pacer.Sent()) {
			b.late = append(b.late, token.Ended{Token: i, Epoch: t.Epoch()})
		}
	}
	b.writeAll()
}

// ended returns the leases that had run out before a send, each once. The loop
// asks before each event, so that it knows before the send can be answered.
func (b *beater) ended() (list []token.Ended) {
	b.mu.Lock()
	defer b.mu.Unlock()
	list, b.late = b.late, nil
	return list
}

// extend leaves every lease for the given time and changes it no more.
func (b *beater) extend(now clock.Instant, d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.frozen = true
	for i := range b.terms {
		if b.terms[i].Held() {
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

// run beats until ctx ends. Its goroutine has no thread of its own: it runs on
// whichever thread the timer wakes, and would else wait for a second one to wake.
func (b *beater) run(ctx context.Context) {
	defer context.AfterFunc(ctx, b.alarm.stop)()
	for b.alarm.wait(b.next()) {
		b.beat()
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
		b.beaten()
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
		b.renew()
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
