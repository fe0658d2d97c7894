package heartbeat

import (
	"math/bits"
	"time"

	"vipd/heartbeat/clock"
)

// Peer is what is known of one other node. Its zero time fields mean "never".
type Peer struct {
	Slot    uint8
	Session uint64        // 0 until something was heard
	Heard   clock.Instant // newest message kept, on any path
	Since   clock.Instant // heard without a gap of a dead time since
	Echo    clock.Instant // our newest send that it has echoed in this session
	Hold    time.Duration // it announced that it may be silent for so long
	State   State
	Digest  uint64
	Build   string
	Synced  bool
	Clock   clock.Estimator
	Paths   [MaxPaths]Path

	seq     uint64        // newest
	sent    clock.Instant // its newest beat or ask, on its clock: what we echo
	at      clock.Wall    // when that arrived here, 0 if the kernel gave no stamp
	retired [4]uint64
	asked   clock.Instant // newest ask
	trouble clock.Instant // silent or not echoed since, 0 if neither
	timer   clock.Instant // silence is counted from here: Heard, or a stall of ours
	spoke   clock.Instant // the same for beats and asks, without answers
	pages   pages
}

// Path is how one path to a peer does.
type Path struct {
	Heard     clock.Instant // newest message that came this way
	RoundTrip time.Duration // of the newest answer
	seq       uint64
	window    uint64        // bit i: seq−i came this way
	beat      clock.Instant // the newest beat that came this way was sent then, on the peer's clock
	beats     uint64        // bit i: so did the beat i intervals before it
	span      int           // how many bits of beats mean something
}

// Loss returns the share of the peer's last 64 beats that did not come this way,
// 0 to 1. Other messages don't count: an answer takes one path only.
func (p *Path) Loss() float64 {
	if p.span == 0 {
		return 0
	}
	return 1 - float64(bits.OnesCount64(p.beats))/float64(p.span)
}

// take notes that the send with this number came this way and reports whether
// it is the first copy that did.
func (p *Path) take(now clock.Instant, seq uint64) bool {
	p.Heard = max(p.Heard, now)
	if seq > p.seq {
		p.window = p.window<<min(seq-p.seq, 64) | 1
		p.seq = seq
		return true
	}
	bit := uint64(1) << min(p.seq-seq, 64)
	if bit == 0 || p.window&bit != 0 {
		return false
	}
	p.window |= bit
	return true
}

// count notes a beat. How many are missing before it follows from when the two
// were sent: there is one every interval.
func (p *Path) count(sent clock.Instant, interval time.Duration) {
	gap := uint64((sent.Sub(p.beat) + interval/2) / interval)
	switch {
	case p.span == 0:
		p.beats, p.span = 1, 1
	case sent <= p.beat:
		return
	case gap == 0: // one beside the schedule, because something changed
	default:
		p.beats = p.beats<<min(gap, 64) | 1
		p.span = int(min(uint64(p.span)+gap, 64))
	}
	p.beat = sent
}

// Silence returns how long nothing was heard, less what the peer announced. A
// peer never heard has been silent since the machine began.
func (p *Peer) Silence(now clock.Instant) time.Duration {
	return max(now.Sub(p.timer)-p.Hold, 0)
}

// Proven reports whether the peer has echoed a send of ours younger than dead:
// then both directions work.
func (p *Peer) Proven(now clock.Instant, dead time.Duration) bool {
	return p.Echo != 0 && now.Sub(p.Echo) <= dead
}

// heardOn returns the paths on which the peer was heard within dead, as bits.
func (p *Peer) heardOn(now clock.Instant, dead time.Duration) uint8 {
	var on uint8
	for i := range p.Paths {
		if h := p.Paths[i].Heard; h != 0 && now.Sub(h) <= dead {
			on |= 1 << i
		}
	}
	return on
}

// adopt starts the peer's new session; what the old one said is void.
func (p *Peer) adopt(session uint64) {
	if p.Session != 0 {
		copy(p.retired[1:], p.retired[:])
		p.retired[0] = p.Session
	}
	*p = Peer{Slot: p.Slot, Session: session, Heard: p.Heard, Since: p.Since, timer: p.timer, spoke: p.spoke,
		asked: p.asked, retired: p.retired, Clock: p.Clock}
}

func (p *Peer) isRetired(session uint64) bool {
	for _, s := range p.retired {
		if s == session {
			return true
		}
	}
	return false
}

// pages puts a peer's claims together when they take several messages.
type pages struct {
	edition uint32 // being put together, or complete
	got     [maxPages / 64]uint64
	n       int
	claims  []Claim
	whole   bool   // claims is all of edition
	newest  uint32 // edition that was whole, 0 if none
}

// take adds the page that the message holds and reports whether claims are
// whole and new by it. A message without claims has the number of an edition all the
// same: is that another one, then what was known is old and the pages are to be asked for.
func (g *pages) take(m *Message) bool {
	if m.Edition != g.edition || g.n == 0 {
		*g = pages{edition: m.Edition, newest: g.newest}
	}
	if g.whole || m.Pages == 0 {
		return false
	}
	word, bit := m.Page/64, uint64(1)<<(m.Page%64)
	if g.got[word]&bit != 0 {
		return false
	}
	g.got[word] |= bit
	g.n++
	if m.Pages == 1 {
		g.claims = m.Claims
	} else {
		g.claims = append(g.claims, m.Claims...)
	}
	if g.whole = g.n == int(m.Pages); g.whole {
		g.newest = g.edition
	}
	return g.whole
}

// have returns the newest edition that was whole, 0 if none.
func (g *pages) have() uint32 { return g.newest }
