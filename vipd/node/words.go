package node

import (
	"slices"

	"vipd/heartbeat"
	"vipd/heartbeat/clock"
	"vipd/token"
)

// The flags of a claim on the wire.
const (
	pinnedFlag   = 1 << iota // an operator has put the token where it is
	provedFlag               // a neighbour was seen to know where it is
	multipleFlag             // the node applies Allow Multiple
	waitingFlag              // the node applies Disable Inheritance
	promisedFlag             // and takes on no silence, whatever its file says from now on
)

// flagged are the bits of a token that are told by a flag.
var flagged = map[token.Bits]uint8{token.AllowMultiple: multipleFlag, token.DisableInheritance: waitingFlag}

// word takes one message of a peer that counts.
func (m *Machine) word(now clock.Instant, w *heartbeat.Word) {
	p := m.peer(w.From)
	if w.New && p.alive {
		m.do(Noted{Peer: w.From, What: PeerRestarted})
	}
	if w.Fresh {
		m.compare(now, p, w)
	}
	tw := token.Word{
		Peer: w.From, Hold: w.Message.Hold, Dead: w.Message.Dead, Leased: w.Message.Leased, Echoed: w.Echoed, Proof: w.Proof, Waited: w.Waited, Silence: w.Silence, New: w.New,
		Fresh: w.Fresh, Spoken: w.Spoken, Knows: w.Knows, Current: w.Current,
	}
	if w.Current && (w.Changed || p.remap) {
		tw.Changed, tw.Claims, p.remap = true, m.read(w.Claims, w.Message.Sent), false
	}
	m.decide(now, tw)
	if w.Fresh && w.Echoed != 0 {
		m.obey(now, w)
	}
}

// read turns a peer's claims into those of our tokens. What it doesn't speak
// of it is not configured for.
func (m *Machine) read(claims []heartbeat.Claim, sent clock.Instant) []token.Claim {
	m.scratch = m.scratch[:0]
	for range m.tokens.Tokens() {
		m.scratch = append(m.scratch, token.Claim{Reasons: token.Unconfigured})
	}
	for _, c := range claims {
		i, ok := m.numbers[c.Token]
		if !ok {
			continue
		}
		t := token.Claim{
			Phase: token.Phase(c.Phase), Verb: token.Verb(c.Verb), To: c.To, Pinned: c.Flags&pinnedFlag != 0, Proved: c.Flags&provedFlag != 0, Promises: c.Flags&promisedFlag != 0,
			Reasons: token.Reason(c.Reasons), Epoch: c.Epoch, Seen: c.Seen, About: c.About, Priority: int(c.Priority),
		}
		for bit, flag := range flagged {
			if c.Flags&flag != 0 {
				t.Bits |= bit
			}
		}
		if t.Phase != token.Idle && c.Since <= sent {
			t.Tenure = sent.Sub(c.Since)
		}
		m.scratch[i] = t
	}
	return m.scratch
}

// restate writes our claims for the wire, those of tokens that have gone from
// the configuration too: their epochs are still the highest seen.
func (m *Machine) restate(now clock.Instant) {
	list := make([]heartbeat.Claim, 0, m.tokens.Tokens())
	for i, c := range m.tokens.Claims(now, nil) {
		h := heartbeat.Claim{
			Token: m.tokens.Spec(i).ID, Phase: uint8(c.Phase), Verb: uint8(c.Verb), To: c.To, Reasons: uint32(c.Reasons),
			Epoch: c.Epoch, Seen: c.Seen, About: c.About, Priority: int32(c.Priority),
		}
		for bit, flag := range flagged {
			if c.Bits&bit != 0 {
				h.Flags |= flag
			}
		}
		if c.Proved {
			h.Flags |= provedFlag
		}
		if c.Promises {
			h.Flags |= promisedFlag
		}
		if c.Pinned {
			h.Flags |= pinnedFlag
		}
		if c.Phase != token.Idle {
			h.Since = now.Add(-c.Tenure)
		}
		list = append(list, h)
	}
	m.claims = list
}

// speak hands the beats their new words, then says what is to be said at once:
// a changed claim to all, an answer or an ask to one.
func (m *Machine) speak(now clock.Instant, changed bool) {
	if changed {
		m.restate(now)
	}
	if w := m.words(now); !same(&w, &m.said.Words) {
		w.Heard, w.Starts = m.heardSaid.keep(w.Heard), m.startsSaid.keep(w.Starts)
		m.said.Words = w
		m.do(&m.said)
	}
	m.whole.wanted = m.whole.wanted || changed
	if m.whole.wanted && m.whole.allows(now, len(m.claims)) {
		m.whole.wanted = false
		m.do(heartbeat.Say{Kind: heartbeat.Beat, LAN: m.said.LAN, Whole: true})
	}
	for _, a := range m.says {
		s := a.(heartbeat.Say)
		whole := s.Whole && m.whole.allows(now, len(m.claims))
		if lan := s.LAN || whole && m.said.LAN; whole != s.Whole || lan != s.LAN {
			s.Whole, s.LAN = whole, lan
			a = s
		}
		m.do(a)
	}
}

// same reports whether both say the same; claims differ only by their edition.
func same(a, b *heartbeat.Words) bool {
	return a.State == b.State && a.Synced == b.Synced && a.Leased == b.Leased && a.LAN == b.LAN && a.Spare == b.Spare && a.Want == b.Want && a.Hold == b.Hold && a.Digest == b.Digest &&
		a.Edition == b.Edition && slices.Equal(a.Heard, b.Heard) && slices.Equal(a.Starts, b.Starts) &&
		slices.Equal(a.MACs, b.MACs) && slices.Equal(a.Orders, b.Orders) && slices.Equal(a.Receipts, b.Receipts)
}

// words returns what is to be said now; its lists lie in buffers of the machine.
func (m *Machine) words(now clock.Instant) heartbeat.Words {
	m.heard, m.starts = m.beats.Heard(now, m.heard[:0]), m.beats.Starts(now, m.starts[:0])
	w := heartbeat.Words{
		State: m.State(), Synced: m.synced, Leased: m.config.Leased, LAN: m.beats.LAN(now), Spare: m.beats.Spare(now), Want: m.beats.Want(), Digest: m.config.Digest, Boot: m.config.Boot, Build: m.config.Build,
		Heard: m.heard, Starts: m.starts, MACs: m.local.MACs,
		Edition: m.tokens.Edition(), Claims: m.claims,
	}
	if m.restart.since != 0 {
		w.Hold = hold
	}
	w.Orders, w.Receipts = m.openOrders(), m.openReceipts()
	return w
}

// compare looks whether the peer's configuration and clock agree with ours. If
// not, nothing moves to it by itself.
func (m *Machine) compare(now clock.Instant, p *peer, w *heartbeat.Word) {
	differs := w.Message.Digest != m.config.Digest
	if differs != p.differs {
		m.do(Noted{Peer: p.slot, What: choose(differs, ConfigDiffers, ConfigAgrees)})
	}
	verdict := m.beats.Peer(p.slot).Clock.At(now).Verdict()
	beyond := verdict == clock.Beyond || verdict == clock.CannotTell && p.beyond
	if beyond != p.beyond {
		m.do(Noted{Peer: p.slot, What: choose(beyond, ClockBeyond, ClockWithin)})
	}
	if closed := differs || beyond; closed != (p.differs || p.beyond) {
		m.decide(now, token.Gate{Peer: p.slot, Closed: closed})
	}
	p.differs, p.beyond, p.within = differs, beyond, verdict == clock.Within
}

// watch notes which peers came and went.
func (m *Machine) watch(now clock.Instant) {
	for i := range m.peers {
		p := &m.peers[i]
		b := m.beats.Peer(p.slot)
		if alive := b.Session != 0 && b.Silence(now) < m.config.Dead; alive != p.alive {
			p.alive = alive
			m.do(Noted{Peer: p.slot, What: choose(alive, PeerHeard, PeerSilent)})
		}
	}
}

func choose(b bool, yes, no What) What {
	if b {
		return yes
	}
	return no
}

func (m *Machine) peer(slot uint8) *peer {
	for i := range m.peers {
		if m.peers[i].slot == slot {
			return &m.peers[i]
		}
	}
	return nil
}
