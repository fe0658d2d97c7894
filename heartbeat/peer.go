package heartbeat

import (
	"math/bits"
	"slices"
	"time"

	"vipd/heartbeat/clock"
)

// Peer is the knowledge of one other node. Its zero time fields mean "never".
type Peer struct {
	Slot    uint8
	Session uint64        // the live one, which has proved itself; 0 until one has
	Start   uint64        // of it, 0 if the peer does not know its own
	Heard   clock.Instant // newest message kept, on any path
	Since   clock.Instant // heard without a gap of a dead time since
	Echo    clock.Instant // our newest send that it has echoed in this session
	Absence time.Duration // it announced that it may be silent for so long
	State   State
	Digest  uint64
	Boot    uint64 // names the boot that its host is in, 0 if that is not known
	Build   string
	Synced  bool
	Dead    time.Duration // its own
	Beats   time.Duration // its own interval
	Keys    []uint32      // ids of the keys that it opens with; the one it seals with is the first
	MACs    []MAC         // its hardware addresses, as far as it has told them in this session
	Clock   clock.Estimator
	Paths   [MaxPaths]Path

	seq         uint64        // newest
	ahead       time.Duration // its clock is so far ahead of ours, less the shortest way a message had
	aheadAt     clock.Instant // as known then, on ours; 0 if not
	sent        clock.Instant // its newest beat or query, on its clock, for our echo
	at          clock.Wall    // when that arrived here, 0 if the kernel gave no stamp
	retired     [4]uint64
	proven      uint64        // the greatest start of a session that has proved itself, to this run or an earlier one
	pending     pending       // the session that began last of those that have not
	unranked    [4]pending    // and those that no start ranks; the one heard last is the last
	queried     clock.Instant // newest ask
	trouble     clock.Instant // silent or not echoed since, 0 if neither
	lateSteps   int           // of ours since it was heard
	silentSince clock.Instant // silence is counted from here: Heard, or a stall of ours
	unsolicited clock.Instant // the same for beats and asks, without answers
	pages       pages

	ordinary clock.Instant // newest message that came on an ordinary path
	mutual   clock.Instant // newest message that says that the peer hears us on an ordinary path
	lanUntil clock.Instant // until then the clients' network carries our beats for its sake
}

// MAC returns the peer's hardware address on the interface of that kind and number.
func (p *Peer) MAC(kind MACKind, index uint8) (address [6]byte, ok bool) {
	for _, a := range p.MACs {
		if a.Kind == kind && a.Index == index {
			return a.Address, true
		}
	}
	return address, false
}

// addMACs keeps the hardware addresses of a message, which may hold some of the peer's only.
func (p *Peer) addMACs(list []MAC) {
	for _, a := range list {
		i := slices.IndexFunc(p.MACs, func(b MAC) bool { return a.Kind == b.Kind && a.Index == b.Index })
		switch {
		case i >= 0:
			p.MACs[i] = a
		case len(p.MACs) < MaxMACs:
			p.MACs = append(p.MACs, a)
		}
	}
}

// Path is how one path to a peer does.
type Path struct {
	Heard     clock.Instant // newest message that came this way
	RoundTrip time.Duration // of the newest answer
	answered  clock.Instant // when that came
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

// drift bounds how far two clocks go apart: a quarter of the time that passes. Real
// ones differ by far less.
const drift = 4

// stale reports whether the message was on its way for longer than dead, by the clocks
// of both hosts: it was kept back, and does not show the present state. A clock that stopped
// with its machine makes all look so; there a message that echoes a recent send of
// ours sets it right.
func (p *Peer) stale(r Received, dead time.Duration) bool {
	return p.aheadAt != 0 && p.aheadBy(r.Arrived)-r.Message.Sent.Sub(r.Arrived) > dead
}

// aheadBy returns the least that the peer's clock may be ahead at the instant.
func (p *Peer) aheadBy(at clock.Instant) time.Duration {
	return p.ahead - max(at.Sub(p.aheadAt), 0)/drift
}

// calibrate takes how far the peer's clock is ahead from a message that counts. One with a
// proof that it is of now needs no other.
func (p *Peer) calibrate(r Received, proof bool) {
	ahead := r.Message.Sent.Sub(r.Arrived)
	if known := p.aheadBy(r.Arrived); p.aheadAt != 0 && !proof {
		ahead = max(ahead, known)
	}
	p.ahead, p.aheadAt = ahead, r.Arrived
}

// Silence returns how long the peer was not heard, less its announced absence. A
// peer never heard has been silent since the machine began.
func (p *Peer) Silence(now clock.Instant) time.Duration {
	return max(now.Sub(p.silentSince)-p.Absence, 0)
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

// pending is a session that has not proved itself: it has yet to echo a recent send of
// our present session. Until then it may be a recording. It is echoed in messages that are
// sent anyway, so that it can, and has no other effect.
type pending struct {
	session, start uint64
	seq            uint64
	sent           clock.Instant // its newest message, on its clock: of any kind, for no lease rests on the echo
	at             clock.Wall
	heard          clock.Instant // when, on ours
	path           uint8
}

// hear notes a message of the session, unless a newer one has come before.
func (q *pending) hear(now clock.Instant, r Received) bool {
	if q.session == r.Session && r.Message.Seq <= q.seq {
		return false
	}
	*q = pending{session: r.Session, start: r.Start, seq: r.Message.Seq, sent: r.Message.Sent, at: r.Wall, heard: now, path: r.Path}
	return true
}

// least is the start below which sessions of the peer are not listened to.
func (p *Peer) least() uint64 { return max(p.proven, p.pending.start) }

// expectProof notes a message of a session that has not proved itself. It reports whether
// the peer may be there: the session began after all that have proved themselves, or is
// the newest that an earlier run of ours knew, and the message is its newest.
func (p *Peer) expectProof(now clock.Instant, r Received) (audible bool) {
	if r.Start > 0 && (r.Start > p.proven || p.Session == 0) {
		return p.pending.hear(now, r) && (r.Start > p.proven || p.Session == 0 && r.Start == p.proven)
	}
	i := max(slices.IndexFunc(p.unranked[:], func(q pending) bool { return q.session == r.Session }), 0)
	q := p.unranked[i] // if it is a new one, that which was not heard for the longest makes room
	q.hear(now, r)
	copy(p.unranked[i:], p.unranked[i+1:])
	p.unranked[len(p.unranked)-1] = q
	return false
}

// behind reports whether a newer message of the session, which has not proved itself, has
// come already: its state here must not go back.
func (p *Peer) behind(r Received) bool {
	overtaken := func(q pending) bool { return q.session == r.Session && r.Message.Seq < q.seq }
	return overtaken(p.pending) || slices.ContainsFunc(p.unranked[:], overtaken)
}

// pendingAt appends the echoes of the sessions that have not proved themselves and were
// heard within dead.
func (p *Peer) pendingAt(now clock.Instant, dead time.Duration, list []PeerEcho) []PeerEcho {
	for i := -1; i < len(p.unranked); i++ {
		q := &p.pending
		if i >= 0 {
			q = &p.unranked[i]
		}
		if q.session != 0 && now.Sub(q.heard) <= dead {
			list = append(list, PeerEcho{Slot: p.Slot, Pending: true, Paths: 1 << min(q.path, MaxPaths-1), Session: q.session, Sent: q.sent, At: q.at})
		}
	}
	return list
}

// adopt makes the session the peer's live one; the state of the earlier one is void.
func (p *Peer) adopt(session, start uint64) {
	if p.Session != 0 {
		copy(p.retired[1:], p.retired[:])
		p.retired[0] = p.Session
	}
	*p = Peer{Slot: p.Slot, Session: session, Start: start, Heard: p.Heard, Since: p.Since, silentSince: p.silentSince, unsolicited: p.unsolicited,
		queried: p.queried, retired: p.retired, Clock: p.Clock, proven: max(p.proven, start), pending: p.pending, ordinary: p.ordinary, mutual: p.mutual, lanUntil: p.lanUntil}
	if p.pending.start <= p.proven {
		p.pending = pending{}
	}
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
	revision uint32 // being put together, or complete
	got      [maxPages / 64]uint64
	n        int
	claims   []Claim
	whole    bool   // claims is all of revision
	newest   uint32 // revision that was whole, 0 if none
}

// take adds the page that the message holds and reports whether claims are
// whole and new by it. A message without claims has the number of a revision all the
// same: if it is another one, the known claims are old and the pages are to be requested.
func (g *pages) take(m *Message) bool {
	if m.Revision != g.revision || g.n == 0 {
		*g = pages{revision: m.Revision, newest: g.newest}
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
		g.newest = g.revision
	}
	return g.whole
}

// have returns the newest revision that was whole, 0 if none.
func (g *pages) have() uint32 { return g.newest }
