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
	promisedFlag             // and takes on no silence, even if its file changes
)

// flagged are the bits of a token that are told by a flag.
var flagged = map[token.Bits]uint8{token.AllowMultiple: multipleFlag, token.DisableInheritance: waitingFlag}

// applyReport takes one message of a peer that counts.
func (m *Machine) applyReport(now clock.Instant, w *heartbeat.Report) {
	p := m.peer(w.From)
	if w.NewSession && p.alive {
		m.do(PeerEvent{Peer: w.From, Kind: PeerRestarted})
	}
	if w.Fresh {
		m.compareWithPeer(now, p, w)
	}
	tw := token.Report{
		Peer: w.From, Absence: w.Message.Absence, Dead: w.Message.Dead, Leased: w.Message.Leased, Echoed: w.Echoed, Proof: w.Proof, Waited: w.Waited, Silence: w.Silence, NewSession: w.NewSession,
		Fresh: w.Fresh, Unsolicited: w.Unsolicited, AckedRevision: w.AckedRevision, Complete: w.Complete,
	}
	if w.Complete && (w.Changed || p.remap) {
		tw.Changed, tw.Claims, p.remap = true, m.convertClaims(w.Claims, w.Message.Sent), false
	}
	m.decide(now, tw)
	if w.Fresh && w.Echoed != 0 {
		m.runOrder(now, w)
	}
}

// convertClaims turns a peer's claims into those of our tokens. A token without a claim is one
// that the peer is not configured for.
func (m *Machine) convertClaims(claims []heartbeat.Claim, sent clock.Instant) []token.Claim {
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

// publishClaims writes our claims for the wire, those of tokens that have gone from
// the configuration too: their epochs are still the highest seen.
func (m *Machine) publishClaims(now clock.Instant) {
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

// publish hands the sending thread its new payload, then sends the messages that are due at
// once: a changed claim to all, a reply or a query to one.
func (m *Machine) publish(now clock.Instant, changed bool) {
	if changed {
		m.publishClaims(now)
	}
	if w := m.payload(now); !same(&w, &m.published.Payload) {
		w.Echoes, w.Starts = m.echoesPublished.keep(w.Echoes), m.startsPublished.keep(w.Starts)
		m.published.Payload = w
		m.do(&m.published)
	}
	m.pager.wanted = m.pager.wanted || changed
	if m.pager.wanted && m.pager.permits(now, len(m.claims)) {
		m.pager.wanted = false
		m.do(heartbeat.Send{Kind: heartbeat.Beat, LAN: m.published.LAN, AllPages: true})
	}
	for _, a := range m.sends {
		s := a.(heartbeat.Send)
		whole := s.AllPages && m.pager.permits(now, len(m.claims))
		if lan := s.LAN || whole && m.published.LAN; whole != s.AllPages || lan != s.LAN {
			s.AllPages, s.LAN = whole, lan
			a = s
		}
		m.do(a)
	}
}

// same reports whether both say the same; claims differ only by their revision.
func same(a, b *heartbeat.Payload) bool {
	return a.State == b.State && a.Synced == b.Synced && a.Leased == b.Leased && a.LAN == b.LAN && a.Spare == b.Spare && a.RequestClaims == b.RequestClaims && a.Absence == b.Absence && a.Digest == b.Digest &&
		a.Revision == b.Revision && slices.Equal(a.Echoes, b.Echoes) && slices.Equal(a.Starts, b.Starts) &&
		slices.Equal(a.MACs, b.MACs) && slices.Equal(a.Orders, b.Orders) && slices.Equal(a.Receipts, b.Receipts)
}

// payload returns the contents of the next messages; its lists lie in buffers of the machine.
func (m *Machine) payload(now clock.Instant) heartbeat.Payload {
	m.echoes, m.starts = m.beats.Echoes(now, m.echoes[:0]), m.beats.Starts(now, m.starts[:0])
	w := heartbeat.Payload{
		State: m.State(), Synced: m.synced, Leased: m.config.Leased, LAN: m.beats.LAN(now), Spare: m.beats.Spare(now), RequestClaims: m.beats.RequestClaims(), Digest: m.config.Digest, Boot: m.config.Boot, Build: m.config.Build,
		Echoes: m.echoes, Starts: m.starts, MACs: m.local.MACs,
		Revision: m.tokens.Revision(), Claims: m.claims,
	}
	if m.restart.since != 0 {
		w.Absence = absence
	}
	w.Orders, w.Receipts = m.openOrders(), m.openReceipts()
	return w
}

// compareWithPeer looks whether the peer's configuration and clock agree with ours. If not, no
// token moves to it by itself.
func (m *Machine) compareWithPeer(now clock.Instant, p *peer, w *heartbeat.Report) {
	differs := w.Message.Digest != m.config.Digest
	if differs != p.differs {
		m.do(PeerEvent{Peer: p.slot, Kind: choose(differs, ConfigDiffers, ConfigAgrees)})
	}
	verdict := m.beats.Peer(p.slot).Clock.At(now).Verdict()
	beyond := verdict == clock.Beyond || verdict == clock.CannotTell && p.beyond
	if beyond != p.beyond {
		m.do(PeerEvent{Peer: p.slot, Kind: choose(beyond, ClockBeyond, ClockWithin)})
	}
	if closed := differs || beyond; closed != (p.differs || p.beyond) {
		m.decide(now, token.BlockFailback{Peer: p.slot, Blocked: closed})
	}
	p.differs, p.beyond, p.within = differs, beyond, verdict == clock.Within
}

// watchPeers notes which peers came and went.
func (m *Machine) watchPeers(now clock.Instant) {
	for i := range m.peers {
		p := &m.peers[i]
		b := m.beats.Peer(p.slot)
		if alive := b.Session != 0 && b.Silence(now) < m.config.Dead; alive != p.alive {
			p.alive = alive
			m.do(PeerEvent{Peer: p.slot, Kind: choose(alive, PeerHeard, PeerSilent)})
		}
	}
}

func choose(b bool, yes, no PeerEventKind) PeerEventKind {
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
