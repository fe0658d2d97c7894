package heartbeat

import (
	"time"

	"vipd/heartbeat/clock"
)

// Words is what the deciding loop lets the beating thread say. The slices are
// not changed after they are handed over.
type Words struct {
	State    State
	Synced   bool
	Leased   bool
	Want     bool
	Hold     time.Duration
	Digest   uint64
	Build    string
	Heard    []Heard
	Orders   []Order
	Receipts []Receipt
	Edition  uint32
	Claims   []Claim
}

// Pacer composes messages on the thread that beats: it stamps and numbers each
// send, and falls silent when the loop has not stepped for one dead time.
type Pacer struct {
	interval, dead time.Duration
	page           int

	words   Words
	stepped clock.Instant
	next    clock.Instant
	seq     uint64
	sent    clock.Instant
}

// NewPacer returns a pacer that beats for the first time at now.
func NewPacer(c Config, now clock.Instant) *Pacer {
	return &Pacer{
		interval: c.Interval, dead: c.Dead, page: PageSize(len(c.Peers) + 1),
		words: Words{State: Starting}, stepped: now, next: now,
	}
}

// Say replaces what messages carry from now on.
func (p *Pacer) Say(w Words) { p.words = w }

// Words returns what messages carry now.
func (p *Pacer) Words() Words { return p.words }

// Stepped notes that the deciding loop was alive at now.
func (p *Pacer) Stepped(now clock.Instant) { p.stepped = now }

// Wedged reports whether the loop has been silent for so long that nothing may
// be said in its name, nor a lease renewed.
func (p *Pacer) Wedged(now clock.Instant) bool {
	return now.Sub(p.stepped) > p.dead
}

// Next returns when the next beat is due.
func (p *Pacer) Next() clock.Instant { return p.next }

// Sent returns the stamp of the newest send, the s of the lease clock.
func (p *Pacer) Sent() clock.Instant { return p.sent }

// Beat moves the schedule on, so that a late thread doesn't beat twice.
func (p *Pacer) Beat(now clock.Instant) {
	p.next = p.next.Add(p.interval)
	if p.next <= now {
		p.next = now.Add(p.interval)
	}
}

// Pages returns how many messages it takes to say everything.
func (p *Pacer) Pages() int {
	return max(1, (len(p.words.Claims)+p.page-1)/p.page)
}

// Compose returns the message to send at now: page of the claims when they
// take several messages and whole is set, else all that fits one, or none.
func (p *Pacer) Compose(kind Kind, page int, now clock.Instant, wall clock.Wall) Message {
	p.seq++
	p.sent = now
	w := &p.words
	m := Message{
		Kind: kind, State: w.State, Synced: w.Synced, Leased: w.Leased, Want: w.Want, Hold: w.Hold, Dead: p.dead,
		Seq: p.seq, Sent: now, Wall: wall, Digest: w.Digest, Build: w.Build,
		Heard: w.Heard, Orders: w.Orders, Receipts: w.Receipts, Edition: w.Edition,
	}
	pages := p.Pages()
	if page < 0 && pages > 1 {
		return m
	}
	first := max(page, 0) * p.page
	m.Page, m.Pages = uint16(max(page, 0)), uint16(pages)
	m.Claims = w.Claims[first:min(first+p.page, len(w.Claims))]
	return m
}
