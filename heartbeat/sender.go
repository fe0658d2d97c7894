package heartbeat

import (
	"time"

	"vipd/heartbeat/clock"
)

// Payload is the content that the deciding loop gives to the sending thread. The slices are
// not changed after they are handed over.
type Payload struct {
	State         State
	Synced        bool
	Leased        bool
	LAN           bool          // a peer is not heard both ways on an ordinary path: beats go over the clients' network too
	Spare         clock.Instant // until then a beat may leave without a copy to the group
	RequestClaims bool
	Absence       time.Duration
	Digest        uint64
	Boot          uint64
	Build         string
	Echoes        []PeerEcho
	Starts        []Start
	Orders        []Order
	Receipts      []Receipt
	MACs          []MAC
	Revision      uint32
	Claims        []Claim
}

// Sender composes the messages of one session: it keeps the schedule of the beats,
// stamps and numbers each send, chooses the claims that a message carries, and falls
// silent when the deciding loop has not stepped for one dead time. It is pure: the
// caller gives it the time and puts its messages on the wire.
type Sender struct {
	interval, dead time.Duration
	page           int // claims that fit one message
	place          place

	payload Payload
	stepped clock.Instant
	next    clock.Instant
	seq     uint64
	sent    clock.Instant
	grouped clock.Instant // newest beat with a copy to the group
}

// NewSender returns a sender whose first beat is due at now.
func NewSender(c Config, now clock.Instant) *Sender {
	return &Sender{
		interval: c.Interval, dead: c.Dead, page: PageSize(len(c.Peers) + 1), place: placeOf(c),
		payload: Payload{State: Starting}, stepped: now, next: now,
	}
}

// SetPayload replaces the contents of messages from now on.
func (s *Sender) SetPayload(w Payload) { s.payload = w }

// Stepped notes that the deciding loop was alive at now.
func (s *Sender) Stepped(now clock.Instant) { s.stepped = now }

// Beat returns the Send of a beat.
func (s *Sender) Beat() Send { return Send{Kind: Beat, LAN: s.payload.LAN} }

// Stuck reports whether the loop has been silent for so long that no message may be sent.
func (s *Sender) Stuck(now clock.Instant) bool { return now.Sub(s.stepped) > s.dead }

// Next returns when the next beat is due.
func (s *Sender) Next() clock.Instant { return s.next }

// Sent returns the stamp of the newest send, 0 before the first: leases count from it.
func (s *Sender) Sent() clock.Instant { return s.sent }

// Due reports whether a beat is due at now, and if so moves the schedule on. A
// thread that is late beats once, not once for each interval that it missed.
func (s *Sender) Due(now clock.Instant) bool {
	if now < s.next {
		return false
	}
	s.next = s.next.Add(s.every())
	if s.next <= now {
		s.next = now.Add(s.every())
	}
	return true
}

// Compose returns the message of the given page for a Send at now, and whether
// another page follows it. Claims that fit one message are in every message. Those
// that take several are sent when the Send asks for all of them, a page at a time;
// any other message then has the number of the revision and no claims.
func (s *Sender) Compose(a Send, page int, now clock.Instant, wall clock.Wall) (m Message, more bool) {
	s.seq++
	s.sent = now
	w := &s.payload
	m = Message{
		Kind: a.Kind, State: w.State, Synced: w.Synced, Leased: w.Leased, RequestClaims: w.RequestClaims, Absence: w.Absence, Dead: s.dead, Interval: s.interval,
		Seq: s.seq, Sent: now, Wall: wall, Digest: w.Digest, Boot: w.Boot, Build: w.Build,
		Echoes: w.Echoes, Starts: w.Starts, Orders: w.Orders, Receipts: w.Receipts, MACs: w.MACs,
		Revision: w.Revision,
	}
	pages := max(1, (len(w.Claims)+s.page-1)/s.page)
	if pages > 1 && !a.AllPages || page >= pages {
		return m, false
	}
	m.Page, m.Pages = uint16(page), uint16(pages)
	m.Claims = w.Claims[page*s.page : min((page+1)*s.page, len(w.Claims))]
	return m, page+1 < pages
}
