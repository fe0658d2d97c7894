package leasing

import (
	"context"
	"sync"
	"time"

	"vipd/heartbeat"
	"vipd/heartbeat/clock"
	"vipd/host/boot"
	"vipd/token"
	"vipd/vipd/node"
)

// Transport puts a message on the wire.
type Transport interface {
	Send(heartbeat.Send, heartbeat.Message)
}

// Enforcer is where leases are enforced, packet by packet.
type Enforcer interface {
	// write reports whether the kernel took them all.
	Write(list []Expiry) bool
}

// Expiry is until when the kernel is to let a token live, by the token's ID.
type Expiry struct {
	ID    uint64
	Until clock.Instant
}

// SenderLoop says what the loop gave it to say: every interval on a goroutine of its
// own, and at once when the loop asks. It renews the leases with each send, and
// does neither when the loop has not stepped for one dead time. What to say and
// until when a lease lasts is node.Sender's to decide; the sender loop has its thread, its
// locks, and the page and the kernel that it writes to.
type SenderLoop struct {
	boot.Clocks
	out       Transport
	Page      *Page
	kernel    Enforcer
	Timer     Timer  // set before run
	afterBeat func() // called after each beat

	sending sync.Mutex // held from a stamp until it is sent, so that sends are in the order of their stamps

	mu     sync.Mutex // held for microseconds: words and leases in, a message out
	sender *node.Sender
	ids    []uint64        // of the tokens, by number
	batch  []Expiry        // to be written in one go
	told   []clock.Instant // by token: the expiry that the kernel took, 0 if none
	silent bool            // wedged, as last seen
	wedged func(bool)      // told when that changes
}

func NewSenderLoop(k boot.Clocks, c heartbeat.Config, out Transport, p *Page, kernel Enforcer, wedged func(bool), beaten func()) *SenderLoop {
	return &SenderLoop{Clocks: k, out: out, Page: p, kernel: kernel, sender: node.NewSender(c, k.Now()), wedged: wedged, afterBeat: beaten}
}

// SetPayload replaces what is said.
func (b *SenderLoop) SetPayload(w heartbeat.Payload) {
	b.mu.Lock()
	b.sender.SetPayload(w)
	b.mu.Unlock()
}

// Stepped notes that the loop was alive at now.
func (b *SenderLoop) Stepped(now clock.Instant) {
	b.mu.Lock()
	b.sender.Stepped(now)
	b.mu.Unlock()
}

// SendNow says something at once, on the caller's thread: an answer must not wait for
// another thread to wake.
func (b *SenderLoop) SendNow(s heartbeat.Send) { b.send(s) }

// SetLease takes a lease that changed. The row is whose lease it is; a limit of 0
// ends it.
func (b *SenderLoop) SetLease(l token.Lease, r Row) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.ids) <= l.Token {
		b.ids, b.told = append(b.ids, 0), append(b.told, 0)
	}
	if l.Limit != 0 {
		b.Page.Hold(l.Token, r)
	}
	b.ids[l.Token] = r.ID
	if until, ok := b.sender.Grant(l, b.Now()); ok {
		b.told[l.Token] = 0
		b.add(l.Token, until)
	}
	b.write()
}

// SetLeases takes new limits of leases that it has already, and which of their tokens an
// operator has pinned, all in one go.
func (b *SenderLoop) SetLeases(list []token.Lease, pinned func(token int) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.Now()
	for _, l := range list {
		b.Page.Pin(l.Token, pinned(l.Token))
		if until, ok := b.sender.Grant(l, now); ok {
			b.add(l.Token, until)
		}
	}
	b.write()
}

// add writes to the page until when the token may live, unless the kernel knows it
// already; write tells the kernel.
func (b *SenderLoop) add(i int, until clock.Instant) {
	if until != 0 && b.told[i] == until {
		return
	}
	b.told[i] = until
	b.Page.renew(i, until)
	b.batch = append(b.batch, Expiry{b.ids[i], until})
}

func (b *SenderLoop) write() {
	if len(b.batch) > 0 && !b.kernel.Write(b.batch) {
		clear(b.told) // tried again with the next send
	}
	b.batch = b.batch[:0]
}

// Rewrite writes the expiry of one token, by its ID, as it is.
func (b *SenderLoop) Rewrite(id uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.ids {
		if until, ok := b.sender.Expiry(i); ok && b.ids[i] == id {
			b.told[i] = 0
			b.add(i, until)
		}
	}
	b.write()
}

// renew renews every lease by what was just sent.
func (b *SenderLoop) renew() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sender.Renew(b.add)
	b.write()
}

// Ended returns the leases that had run out before a send, each once.
func (b *SenderLoop) Ended() []token.Expired {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sender.Ended()
}

// Extend leaves every lease for the given time and changes it no more.
func (b *SenderLoop) Extend(now clock.Instant, d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sender.Extend(now, now.Add(d), b.add)
	b.write()
}

// Alive reports whether the loop may be spoken for.
func (b *SenderLoop) Alive() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.sender.Stuck(b.Now())
}

// Run beats until ctx ends. Its goroutine has no thread of its own: it runs on
// whichever thread the timer wakes, and would else wait for a second one to wake.
func (b *SenderLoop) Run(ctx context.Context) {
	defer context.AfterFunc(ctx, b.Timer.Stop)()
	for b.Timer.Wait(b.next()) {
		b.beat()
	}
}

func (b *SenderLoop) next() clock.Instant {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sender.Next()
}

func (b *SenderLoop) beat() {
	b.mu.Lock()
	due := b.sender.Due(b.Now())
	b.mu.Unlock()
	if due {
		b.send(b.nextBeat())
		b.afterBeat()
	}
}

// Follow beats at once, on the caller's thread, if the peer's beat that has just been
// answered brings the own one forward. The sender loop's own thread sleeps on.
func (b *SenderLoop) Follow() {
	b.mu.Lock()
	due := b.sender.Follow(b.Now())
	if due {
		b.Timer.Move(b.sender.Next())
	}
	b.mu.Unlock()
	if due {
		b.send(b.nextBeat())
		b.afterBeat()
	}
}

// nextBeat is how the beat is to be sent.
func (b *SenderLoop) nextBeat() heartbeat.Send {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.sender.Beat()
	s.Spare = b.sender.Spares(b.Now())
	return s
}

// send says one message, or all of its pages: stamp, send, then write the
// leases that the stamp renews.
func (b *SenderLoop) send(s heartbeat.Send) {
	b.sending.Lock()
	defer b.sending.Unlock()
	for page, more := 0, true; more; page++ {
		m, another, ok := b.compose(s, page)
		if !ok {
			return
		}
		b.out.Send(s, m)
		b.renew()
		more = another
	}
}

func (b *SenderLoop) compose(s heartbeat.Send, page int) (m heartbeat.Message, more, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.Now()
	silent := b.sender.Stuck(now)
	if silent != b.silent {
		b.silent = silent
		b.wedged(silent)
	}
	if silent {
		return m, false, false
	}
	m, more = b.sender.Compose(s, page, now, b.Wall())
	return m, more, true
}

// Timer is what the sender loop waits with.
type Timer interface {
	// wait returns at the instant, or false when it was stopped.
	Wait(at clock.Instant) bool
	// move sets another instant while somebody waits.
	Move(at clock.Instant)
	Stop()
}
